-- Tables of the log that somebody detached before their time was over. Verifying looks into none of them.
select apart.relation
from pgerase_log.detached() as apart
where apart.due_at > pg_catalog.clock_timestamp()
order by apart.relation
