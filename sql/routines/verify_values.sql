-- Is every value there and as it was sealed, or is there a record of its erasure? That is what tells erased from tampered:
-- without a record, a value that is gone is a finding. Retention detaches the tables of a time one after the other: what is
-- missing since its time is over is told apart, a segment at once. Security definer because the log is closed.
create or replace function pgerase_log.verify_values()
    returns table (code text, class text, segment_id bigint, entry_id bigint, part smallint)
    language sql
    stable
    parallel unsafe
    security definer
begin atomic
    with apart as materialized (
        select known.class, known.family, known.lower_bound, known.upper_bound
        from pgerase_log.apart() as known
        where known.is_due and known.is_alone
    ),
    erased as (
        select
            (gone.part ->> 0)::bigint as entry_id,
            (gone.part ->> 1)::smallint as part,
            pg_catalog.bool_or(record.segment_id is not null) as is_sealed
        from pgerase_log.record as record
            cross join lateral pg_catalog.jsonb_array_elements(record.body -> 'parts') as gone (part)
        where record.kind = 'erasure'
            and pgerase_log.is_readable(p_at => record.at, p_kind => record.kind, p_body => record.body)
        group by 1, 2
    ),
    kept as (
        select
            entry.class,
            leaf.segment_id,
            entry.entry_id,
            number.part::smallint as part,
            leaf.entry_id is not null as is_sealed,
            leaf.salts[number.part] is not null as has_salt,
            value.entry_id is not null as is_there,
            case
                when value.entry_id is null then exists (
                    select
                    from apart
                    where apart.family = 'value'
                        and apart.class = entry.class
                        and entry.at >= apart.lower_bound
                        and entry.at < apart.upper_bound
                )
                else false
            end as is_apart,
            leaf.commitments[number.part] is not distinct from pgerase_log.commitment(
                p_text => pgerase_log.value_text(
                    value.class, value.at, value.entry_id, value.part, value.subject, value.person, value.old, value.new
                ),
                p_salt => leaf.salts[number.part]
            ) as is_same
        from pgerase_log.entry as entry
            cross join lateral pg_catalog.generate_series(1, entry.parts) as number (part)
            left join pgerase_log.leaf as leaf
                on leaf.entry_id = entry.entry_id and (leaf.class = entry.class and leaf.at = entry.at) is true
            left join pgerase_log.value as value
                on value.entry_id = entry.entry_id
                and (value.class = entry.class and value.at = entry.at and value.part = number.part) is true
    ),
    fault as (
        select one.code, kept.class, kept.segment_id, kept.entry_id, kept.part
        from kept
            left join erased on erased.entry_id = kept.entry_id and erased.part = kept.part
            cross join lateral (
                values
                    ('value-missing', not kept.is_there and not kept.is_apart and erased.entry_id is null),
                    ('partition-detached', kept.is_apart and kept.is_sealed),
                    ('erasure-unsealed', not kept.is_there and not erased.is_sealed),
                    (
                        'salt-left',
                        not kept.is_there and kept.has_salt and (not kept.is_apart or erased.entry_id is not null)
                    ),
                    ('value-returned', kept.is_there and erased.entry_id is not null),
                    ('value-changed', kept.is_there and kept.is_sealed and erased.entry_id is null and not kept.is_same)
            ) as one (code, is_there)
        where one.is_there
    )
    select found.code, found.class, found.segment_id, found.entry_id, found.part
    from (
        select fault.code, fault.class, fault.segment_id, fault.entry_id, fault.part
        from fault
        where fault.code <> 'partition-detached'

        union all

        -- Once for all values of it.
        select distinct fault.code, fault.class, fault.segment_id, null::bigint, null::smallint
        from fault
        where fault.code = 'partition-detached'

        union all

        select 'value-inserted', value.class, null, value.entry_id, value.part
        from pgerase_log.value as value
        where not exists (
            select
            from pgerase_log.entry as entry
            where entry.entry_id = value.entry_id
                and (entry.class = value.class and entry.at = value.at) is true
                and value.part between 1 and entry.parts
        )
            and not exists (
                select
                from apart
                where apart.family = 'entry'
                    and apart.class = value.class
                    and value.at >= apart.lower_bound
                    and value.at < apart.upper_bound
            )

        union all

        select 'value-doubled', value.class, null, value.entry_id, value.part
        from pgerase_log.value as value
        group by value.class, value.at, value.entry_id, value.part
        having pg_catalog.count(*) > 1
    ) as found
    order by found.entry_id, found.part, found.segment_id, found.code;
end;

comment on function pgerase_log.verify_values() is 'Values that are gone without a record, changed, or stand without their entry.';

revoke all on function pgerase_log.verify_values() from public;
