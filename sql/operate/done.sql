-- What erasing did for a request so far, by table and strategy.
select
    counted.relation,
    counted.strategy,
    pg_catalog.count(*) as people,
    pg_catalog.sum(counted.done)::bigint as rows
from pgerase_internal.request_count as counted
where counted.request_id = %(number)s::bigint
    and counted.done is not null
group by counted.relation, counted.strategy
order by counted.relation collate "C", counted.strategy collate "C"
