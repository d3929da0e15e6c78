-- What stands in the outbox for these kinds of messages: how many wait to be posted, how many were refused, the oldest of both.
select
    pg_catalog.count(*) filter (where told.next_attempt_at is not null) as waiting,
    pg_catalog.count(*) filter (where told.failed_at is not null) as refused,
    pg_catalog.min(told.created_at) filter (where told.next_attempt_at is not null or told.failed_at is not null) as oldest
from pgerase_internal.outbox as told
where told.kind = any (%(kinds)s::text[])
