-- The last run, the last that was done, what is detached, and what is held.
select
    last.run_id as last_number,
    last.clock as last_clock,
    last.state as last_state,
    last.sqlstate as last_sqlstate,
    done.clock as done_clock,
    (
        select coalesce(pg_catalog.array_agg(apart.relation order by apart.relation), '{}')
        from pgerase_log.detached() as apart
        where apart.family = 'entry' or not exists (
            select from pgerase_log.detached() as other
            where other.family = 'entry' and other.lower_bound is not distinct from apart.lower_bound
        )
    ) as apart,
    (select pg_catalog.count(*) from pgerase_log.hold as placed where placed.released_at is null) as holds,
    (select pg_catalog.count(*) from pgerase_log.held) as held
from (select) as always
    left join lateral (
        select past.run_id, past.clock, past.state, past.sqlstate
        from pgerase_log.run as past
        order by past.run_id desc
        limit 1
    ) as last on true
    left join lateral (
        select past.clock
        from pgerase_log.run as past
        where past.state = 'done'
        order by past.run_id desc
        limit 1
    ) as done on true
