-- The holds on people that last, the oldest first.
select placed.hold_id, placed.subject, placed.person, placed.reference, placed.placed_at
from pgerase_log.hold as placed
where placed.released_at is null
    and placed.subject is not null
order by placed.hold_id
