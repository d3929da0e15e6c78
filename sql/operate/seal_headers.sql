-- The headers in their order, as far as signatures are about them.
select
    segment.segment_id,
    segment.hash,
    greatest(least(segment.at, timestamptz '9999-01-01 00:00Z'), timestamptz '0002-01-01 00:00Z') as at
from pgerase_log.segment as segment
order by segment.segment_id
