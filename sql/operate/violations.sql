-- Who could not be erased, as the dry run found: rows that would break a constraint, or meet others in a unique index.
select
    counted.key,
    counted.relation,
    pg_catalog.substr(counted.strategy, pg_catalog.length('violates ') + 1) as constraint,
    counted.planned as rows
from pgerase_internal.request_count as counted
    join pgerase_internal.request_person as person
        on person.request_id = counted.request_id and person.key = counted.key
where counted.request_id = %(number)s::bigint
    and person.state = 'pending'
    and counted.planned is not null
    and pg_catalog.starts_with(counted.strategy, 'violates ')
order by counted.key, counted.relation collate "C", counted.strategy collate "C"
