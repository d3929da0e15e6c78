-- Records of what was dropped, as far as they are sealed: when it was due, and until when it would have been kept by the longest
-- length that its class had since the time it is of; within what every client can read as a time. A length is in force from its
-- record's own time on, or from that of the last header before it was sealed, where that is later: the record says what it was
-- told to say, and was not sealed then. What cannot be read says nothing, nor does what was empty: no class, so no segment of it.
with defined as (
    select
        record.record_id,
        record.segment_id,
        record.body ->> 'class' as class,
        (record.body ->> 'keep')::interval as keep,
        greatest(
            record.at,
            (
                select pg_catalog.max(header.at)
                from pgerase_log.segment as header
                where header.segment_id < coalesce(record.segment_id, header.segment_id + 1)
            )
        ) as since
    from pgerase_log.record as record
    where record.kind = 'class'
        and pgerase_log.is_readable(p_at => record.at, p_kind => record.kind, p_body => record.body)
)
select
    dropped.record_id,
    dropped.class,
    dropped.segment_id,
    greatest(least(dropped.due_at, timestamptz '9999-01-01 00:00Z'), timestamptz '0002-01-01 00:00Z') as due_at,
    greatest(least(longest.kept_until, timestamptz '9999-01-01 00:00Z'), timestamptz '0002-01-01 00:00Z') as kept_until
from pgerase_log.drops() as dropped
    cross join lateral (
        select pg_catalog.max(pgerase_log.kept_until(p_at => dropped.to_at, p_keep => known.keep)) as kept_until
        from (
            select defined.keep, pg_catalog.lead(defined.since) over (order by defined.record_id) as until
            from defined
            where defined.class = dropped.class
                and defined.record_id < dropped.record_id
                and defined.segment_id <= dropped.segment_id
        ) as known
        where known.until is null
            or known.until > dropped.from_at
    ) as longest
where dropped.segment_id is not null
    and dropped.class is not null
order by dropped.record_id
