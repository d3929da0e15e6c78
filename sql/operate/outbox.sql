-- What stands in the outbox for these kinds of messages: how many wait to be posted, of these how many were tried in vain,
-- how many were refused, the oldest of all and of those that were tried.
select
    pg_catalog.count(*) filter (where told.next_attempt_at is not null) as waiting,
    pg_catalog.count(*) filter (where tried.in_vain) as failing,
    pg_catalog.count(*) filter (where told.failed_at is not null) as refused,
    pg_catalog.min(told.created_at) filter (where told.next_attempt_at is not null or told.failed_at is not null) as oldest,
    pg_catalog.min(told.created_at) filter (where tried.in_vain) as failing_since
from pgerase_internal.outbox as told
    cross join lateral (
        select
            told.next_attempt_at is not null
            and (told.last_status is not null or told.last_failure is not null) as in_vain
    ) as tried
where told.kind = any (%(kinds)s::text[])
