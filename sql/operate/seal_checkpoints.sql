-- The signed checkpoints that the database keeps.
select checkpoint.size, checkpoint.key_id, checkpoint.text, checkpoint.signature
from pgerase_log.checkpoint as checkpoint
order by checkpoint.size, checkpoint.key_id
