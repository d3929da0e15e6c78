-- Messages about support access that should have been delivered by now, and those that were refused for good; since when each.
-- Those to the person only where such were ever posted: without an address for them the application shows them, and nobody posts.
select
    pg_catalog.count(*) filter (where told.next_attempt_at is not null and told.created_at <= %(before)s::timestamptz) as waiting,
    pg_catalog.min(told.created_at) filter (where told.next_attempt_at is not null) as waiting_since,
    pg_catalog.count(*) filter (where told.failed_at is not null) as refused,
    pg_catalog.min(told.failed_at) as refused_since
from pgerase_internal.outbox as told
    join pgerase_internal.support_grant as given on given.grant_id = told.grant_id
where told.kind <> 'person'
    or (
        given.forgotten_at is null
        and exists (
            select
            from pgerase_internal.outbox as posted
            where posted.kind = 'person'
                and posted.attempts > 0
        )
    )
