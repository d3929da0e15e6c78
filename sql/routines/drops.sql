-- What records say was dropped as its time was over, and when that was: the upper bound and as long as the class was kept, by
-- what the records said until then. A class that no record defined, or a record without an upper bound, is never due. The headers
-- from the one that sealed a record on say when it was there at the latest, whatever it says itself. A length that was sealed
-- after the drop does not count, whatever its number: numbers can be chosen, and segments not. What cannot be read says nothing.
create or replace function pgerase_log.drops()
    returns table (
        record_id bigint,
        class text,
        from_at timestamptz,
        to_at timestamptz,
        segment_id bigint,
        at timestamptz,
        due_at timestamptz,
        sealed_at timestamptz
    )
    language sql
    stable
    parallel unsafe
    security invoker
begin atomic
    with dropped as (
        select
            record.record_id,
            record.body ->> 'class' as class,
            coalesce((record.body ->> 'from')::timestamptz, '-infinity') as from_at,
            coalesce((record.body ->> 'to')::timestamptz, 'infinity') as to_at,
            record.segment_id,
            record.at
        from pgerase_log.record as record
        where record.kind = 'drop'
            and pgerase_log.is_readable(p_at => record.at, p_kind => record.kind, p_body => record.body)
    )
    select
        dropped.record_id,
        dropped.class,
        dropped.from_at,
        dropped.to_at,
        dropped.segment_id,
        dropped.at,
        coalesce(pgerase_log.kept_until(p_at => dropped.to_at, p_keep => known.keep), 'infinity'),
        later.at
    from dropped
        left join lateral (
            select (defined.body ->> 'keep')::interval as keep
            from pgerase_log.record as defined
            where defined.kind = 'class'
                and pgerase_log.is_readable(p_at => defined.at, p_kind => defined.kind, p_body => defined.body)
                and defined.body ->> 'class' = dropped.class
                and defined.record_id < dropped.record_id
                and (dropped.segment_id is null or defined.segment_id <= dropped.segment_id)
            order by defined.record_id desc
            limit 1
        ) as known on true
        left join lateral (
            select pg_catalog.min(header.at) as at
            from pgerase_log.segment as header
            where header.segment_id >= dropped.segment_id
        ) as later on true;
end;

comment on function pgerase_log.drops() is 'Returns what records say was dropped, when it was due, and when that was sealed at the latest.';

revoke all on function pgerase_log.drops() from public;
