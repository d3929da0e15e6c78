-- Is what a hold keeps past its time as it was sealed? Its partition is gone: an inclusion path leads from it to the root in the
-- header. Records tell which there should be; those of earlier versions, how many. Security definer because the log is closed.
create or replace function pgerase_log.verify_held()
    returns table (code text, class text, segment_id bigint, entry_id bigint, part smallint)
    language sql
    stable
    parallel unsafe
    security definer
begin atomic
    with erased as (
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
    -- What was held, let go and held again is held.
    named as (
        select
            number.entry_id::bigint as entry_id,
            pg_catalog.sum(case record.kind when 'held' then 1 else -1 end) > 0 as is_held
        from pgerase_log.record as record
            cross join lateral pg_catalog.jsonb_array_elements_text(record.body -> 'numbers') as number (entry_id)
        where record.kind in ('held', 'unheld')
            and pgerase_log.is_readable(p_at => record.at, p_kind => record.kind, p_body => record.body)
        group by 1
    ),
    kept as (
        select
            held.class,
            held.segment_id,
            held.entry_id,
            number.part::smallint as part,
            held.salts[number.part] is not null as has_salt,
            value.entry_id is not null as is_there,
            held.commitments[number.part] is not distinct from pgerase_log.commitment(
                p_text => pgerase_log.value_text(
                    held.class, held.at, value.entry_id, value.part, value.subject, value.person, value.old, value.new
                ),
                p_salt => held.salts[number.part]
            ) as is_same
        from pgerase_log.held as held
            cross join lateral pg_catalog.generate_series(1, held.parts) as number (part)
            left join pgerase_log.held_value as value on value.entry_id = held.entry_id and value.part = number.part
    )
    select found.code, found.class, found.segment_id, found.entry_id, found.part
    from (
        select
            case when held.segment_id is null then 'held-unsealed' else 'held-changed' end as code,
            held.class,
            held.segment_id,
            held.entry_id,
            null::smallint as part
        from pgerase_log.held as held
            left join pgerase_log.segment as segment on segment.segment_id = held.segment_id
        where held.segment_id is null
            or segment.root is distinct from pgerase_log.root_of_path(
                p_hash => held.hash,
                p_position => held.position,
                p_size => segment.entries,
                p_path => held.path
            )
            or held.hash is distinct from pgerase_log.text_hash(
                p_text => pgerase_log.entry_text(
                    held.class, held.at, held.entry_id, held.xact, held.relation, held.action, held.actor, held.login,
                    held.role, held.request, held.purpose, held.grant_id, held.key, held.old, held.new, held.parts
                ),
                p_salt => held.salt,
                p_commitments => coalesce(
                    (
                        select pg_catalog.string_agg(one.commitment, pg_catalog.decode('', 'hex') order by one.part)
                        from pg_catalog.unnest(held.commitments) with ordinality as one (commitment, part)
                    ),
                    pg_catalog.decode('', 'hex')
                )
            )

        union all

        select fault.code, kept.class, kept.segment_id, kept.entry_id, kept.part
        from kept
            left join erased on erased.entry_id = kept.entry_id and erased.part = kept.part
            cross join lateral (
                values
                    ('value-missing', not kept.is_there and erased.entry_id is null),
                    ('erasure-unsealed', not kept.is_there and not erased.is_sealed),
                    ('salt-left', not kept.is_there and kept.has_salt),
                    ('value-returned', kept.is_there and erased.entry_id is not null),
                    (
                        'value-changed',
                        kept.is_there and kept.segment_id is not null and erased.entry_id is null and not kept.is_same
                    )
            ) as fault (code, is_there)
        where fault.is_there

        union all

        select 'value-inserted', null, null, value.entry_id, value.part
        from pgerase_log.held_value as value
        where not exists (
            select
            from pgerase_log.held as held
            where held.entry_id = value.entry_id
                and value.part between 1 and held.parts
        )

        union all

        select 'held-missing', null, null, named.entry_id, null
        from named
        where named.is_held
            and not exists (select from pgerase_log.held as held where held.entry_id = named.entry_id)

        union all

        select 'held-inserted', held.class, held.segment_id, held.entry_id, null
        from pgerase_log.held as held
        where not exists (select from named where named.entry_id = held.entry_id and named.is_held)
            and not exists (
                select
                from pgerase_log.record as record
                where record.kind = 'held'
                    and record.body -> 'numbers' is null
                    and pgerase_log.is_readable(p_at => record.at, p_kind => record.kind, p_body => record.body)
            )

        union all

        select case when counted.kept < counted.recorded then 'held-missing' else 'held-inserted' end, null, null, null, null
        from (
            select
                (select pg_catalog.count(*) from pgerase_log.held as held) as kept,
                pg_catalog.sum((record.body ->> 'entries')::bigint * case record.kind when 'held' then 1 else -1 end)
                    as recorded
            from pgerase_log.record as record
            where record.kind in ('held', 'unheld')
                and pgerase_log.is_readable(p_at => record.at, p_kind => record.kind, p_body => record.body)
            having pg_catalog.bool_or(record.kind = 'held' and record.body -> 'numbers' is null)
        ) as counted
        where counted.kept <> counted.recorded
    ) as found
    order by found.entry_id, found.part, found.code;
end;

comment on function pgerase_log.verify_held() is 'What is wrong with entries that a hold keeps past their time.';

revoke all on function pgerase_log.verify_held() from public;
