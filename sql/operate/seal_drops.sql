-- Records of what was dropped, as far as they are sealed: when it was due, within what every client can read as a time.
select
    dropped.record_id,
    dropped.class,
    dropped.segment_id,
    greatest(least(dropped.due_at, timestamptz '9999-01-01 00:00Z'), timestamptz '0002-01-01 00:00Z') as due_at
from pgerase_log.drops() as dropped
where dropped.segment_id is not null
order by dropped.record_id
