-- Who of those in this state (pending: still to be erased; failed) is under legal hold, since when, and by which references:
-- erasing them is refused.
select
    person.key,
    pg_catalog.array_agg(placed.reference order by placed.hold_id) as references,
    pg_catalog.min(placed.placed_at) as since
from pgerase_internal.request as request
    join pgerase_internal.request_person as person on person.request_id = request.request_id
    join pgerase_log.hold as placed
        on placed.subject = request.subject and placed.person = person.key and placed.released_at is null
where request.request_id = %(number)s::bigint
    and person.state = %(state)s::text
group by person.key
order by person.key collate "C"
