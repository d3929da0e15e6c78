-- Partitions that are due, or whose detaching was interrupted. `explained`: none that the last run that was done should have
-- dropped already. Of those open below, only ones that have entries, and got no new ones for so long: none that a run that made
-- partitions found, and none since.
select
    found.class,
    found.parent,
    found.relation,
    found.family,
    found.lower_bound = '-infinity' as is_first,
    nullif(found.lower_bound, '-infinity') as lower_bound,
    nullif(found.upper_bound, 'infinity') as upper_bound,
    nullif(found.due_at, 'infinity') as due_at,
    found.is_pending,
    coalesce(found.due_at > last.clock, false) as explained
from pgerase_log.partitions() as found
    join pgerase_log.class as one on one.class = found.class
    left join lateral (
        select past.clock
        from pgerase_log.run as past
        where past.state = 'done'
        order by past.run_id desc
        limit 1
    ) as last on true
where found.is_pending
    or (
        found.upper_bound < 'infinity'
        and found.due_at <= %(now)s::timestamptz
        and (
            found.lower_bound > '-infinity'
            or (
                (one.early_since at time zone 'UTC' + one.keep) at time zone 'UTC' <= %(now)s::timestamptz
                and not exists (
                    select
                    from pgerase_log.entry as early
                    where early.class = one.class
                        and early.at < found.upper_bound
                        and early.entry_id > one.early_newest
                )
            )
        )
    )
order by found.class, found.upper_bound, found.family
