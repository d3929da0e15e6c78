-- Seals one batch, by the server's clock.
select made.kind, made.entries
from pgerase_log.seal(p_limit => %(batch)s) as made
