-- How many headers there are, and the hash of the first, which the log's name is made of.
select
    coalesce(pg_catalog.max(segment.segment_id), 0) as size,
    (select first.hash from pgerase_log.segment as first where first.segment_id = 1) as first
from pgerase_log.segment as segment
