-- Are all records there that were sealed, as they were? Security definer because the log is closed.
create or replace function pgerase_log.verify_records()
    returns table (code text, class text, segment_id bigint, entry_id bigint, part smallint)
    language sql
    stable
    parallel unsafe
    security definer
begin atomic
    with grown as (
        select
            record.segment_id,
            pg_catalog.count(*) as entries,
            pgerase_log.root_of_leaves(
                p_hashes => pg_catalog.string_agg(
                    pgerase_log.text_hash(
                        p_text => pgerase_log.record_text(record.record_id, record.at, record.kind, record.body)
                    ),
                    pg_catalog.decode('', 'hex')
                    order by record.record_id
                )
            ) as root
        from pgerase_log.record as record
        where record.segment_id is not null
        group by record.segment_id
    )
    select
        case
            when segment.segment_id is null or grown.entries > segment.entries then 'record-inserted'
            when coalesce(grown.entries, 0) < segment.entries then 'record-missing'
            else 'record-changed'
        end,
        null::text,
        coalesce(segment.segment_id, grown.segment_id),
        null::bigint,
        null::smallint
    from (select header.* from pgerase_log.segment as header where header.kind = 'record') as segment
        full join grown on grown.segment_id = segment.segment_id
    where coalesce(grown.entries, 0) is distinct from segment.entries
        or coalesce(grown.root, pgerase_log.root_of_leaves(p_hashes => null)) is distinct from segment.root
    order by 3;
end;

comment on function pgerase_log.verify_records() is 'Segments of records that are gone, changed, or were put in later.';

revoke all on function pgerase_log.verify_records() from public;
