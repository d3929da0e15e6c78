-- How many partitions of each class are there, and what holds the first of them back: entries dated before every partition.
select
    one.class,
    one.early_since,
    pg_catalog.count(*) as partitions
from pgerase_log.class as one
    join pgerase_log.partitions() as found on found.class = one.class and found.family = 'entry'
where found.lower_bound > '-infinity'
    and found.upper_bound < 'infinity'
group by one.class, one.early_since
order by one.class
