-- Are the headers one chain, each as it was hashed? Security definer because the log is closed; operators call it. So does each
-- of the routines verify_…: they say what is wrong, a row a finding, and change nothing.
create or replace function pgerase_log.verify_chain()
    returns table (code text, class text, segment_id bigint, entry_id bigint, part smallint)
    language sql
    stable
    parallel unsafe
    security definer
begin atomic
    with header as (
        select
            segment.segment_id,
            segment.class,
            segment.hash,
            segment.previous,
            segment.at,
            pgerase_log.text_hash(
                p_text => pgerase_log.segment_text(
                    segment.segment_id, segment.kind, segment.class, segment.from_at, segment.to_at, segment.entries,
                    segment.first_id, segment.last_id, segment.sequence, segment.floor, segment.oldest, segment.newest,
                    segment.at, segment.previous, segment.root
                )
            ) as computed,
            pg_catalog.lag(segment.at) over (order by segment.segment_id) as at_before,
            pg_catalog.lag(segment.segment_id, 1, 0::bigint) over (order by segment.segment_id) as number_before,
            pg_catalog.lag(segment.hash, 1, pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex'))
                over (order by segment.segment_id) as hash_before
        from pgerase_log.segment as segment
    )
    select fault.code, header.class, header.segment_id, null::bigint, null::smallint
    from header
        cross join lateral (
            values
                ('header-missing', header.segment_id <> header.number_before + 1),
                ('header-changed', header.hash is distinct from header.computed),
                ('header-unlinked', header.previous is distinct from header.hash_before),
                ('clock-set-back', header.at < header.at_before)
        ) as fault (code, is_there)
    where fault.is_there

    union all

    -- Numbers that a seal has seen would be given out again.
    select 'numbers-behind', null, pg_catalog.max(segment.segment_id), null, null
    from pgerase_log.segment as segment
        cross join pgerase_log.entry_entry_id_seq as number
    having pg_catalog.max(segment.sequence) > pg_catalog.max(number.last_value)
    order by 3, 1;
end;

comment on function pgerase_log.verify_chain() is 'What is wrong with the chain of headers.';

revoke all on function pgerase_log.verify_chain() from public;
