-- What a dry run counted for those who are still to be erased, by table and strategy.
select
    counted.relation,
    counted.strategy,
    pg_catalog.count(*) as people,
    pg_catalog.sum(counted.planned)::bigint as rows
from pgerase_internal.request_count as counted
    join pgerase_internal.request_person as person
        on person.request_id = counted.request_id and person.key = counted.key
where counted.request_id = %(number)s::bigint
    and person.state = 'pending'
    and counted.planned is not null
group by counted.relation, counted.strategy
order by counted.relation collate "C", counted.strategy collate "C"
