-- How each class of the log stands: its partitions, what is missing, what is overdue, what is on its way out.
select
    one.class,
    pg_catalog.justify_days(one.keep)::text as keep,
    one.period,
    one.ahead,
    one.early_since,
    pg_catalog.count(found.relation) filter (where found.is_whole) as partitions,
    pg_catalog.min(found.lower_bound) filter (where found.is_whole) as oldest,
    pg_catalog.max(found.upper_bound) filter (where found.is_whole) as newest,
    coalesce(
        pg_catalog.bool_or(found.lower_bound > %(now)s::timestamptz) filter (where found.is_whole),
        false
    ) as has_next,
    pg_catalog.count(found.relation) filter (
        where found.is_whole and found.due_at + interval '1 day' <= %(now)s::timestamptz
    ) as overdue,
    coalesce(pg_catalog.bool_or(found.is_pending), false) as is_pending
from pgerase_log.class as one
    left join (
        select partition.*, partition.lower_bound > '-infinity' and partition.upper_bound < 'infinity' as is_whole
        from pgerase_log.partitions() as partition
        where partition.family = 'entry' or partition.is_pending
    ) as found on found.class = one.class
group by one.class
order by one.class
