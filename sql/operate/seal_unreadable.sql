-- Records that do not say what the log's own routines write: somebody else wrote them, and nothing goes by what they say.
select record.record_id
from pgerase_log.record as record
where not pgerase_log.is_readable(p_at => record.at, p_kind => record.kind, p_body => record.body)
order by record.record_id
