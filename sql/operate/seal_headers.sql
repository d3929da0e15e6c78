-- The headers in their order, as far as signatures are about them.
select segment.segment_id, segment.hash, segment.at
from pgerase_log.segment as segment
order by segment.segment_id
