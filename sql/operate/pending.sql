-- The next people a dry run has to count, in key order: those after a key; with `again`, those it counted before as well.
select person.key
from pgerase_internal.request_person as person
where person.request_id = %(number)s::bigint
    and person.state = 'pending'
    and person.key > %(after)s::text
    and (%(again)s::boolean or person.planned_at is null)
order by person.key
limit %(size)s::bigint
