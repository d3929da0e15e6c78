-- Who of a request could not be erased, and why.
select
    person.key,
    person.sqlstate,
    coalesce(person.failed_relation, '') as relation,
    coalesce(person.failed_constraint, '') as constraint
from pgerase_internal.request_person as person
where person.request_id = %(number)s::bigint
    and person.state = 'failed'
order by person.key
