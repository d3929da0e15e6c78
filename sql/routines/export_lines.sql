-- Headers, records or entries of these numbers as lines of JSON, as docs/seal.md describes them; what is apart has no numbers.
-- What is hashed is in them as the text that is hashed, so that nobody has to spell it again. Security definer because the log
-- is closed; operators call it.
create or replace function pgerase_log.export_lines(p_kind text, p_first bigint, p_last bigint, p_values boolean)
    returns setof text
    language plpgsql
    stable
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    return query
    select pg_catalog.json_build_object(
        'type', 'header',
        'text', pgerase_log.segment_text(
            segment.segment_id, segment.kind, segment.class, segment.from_at, segment.to_at, segment.entries,
            segment.first_id, segment.last_id, segment.sequence, segment.floor, segment.oldest, segment.newest,
            segment.at, segment.previous, segment.root
        ),
        'hash', pg_catalog.encode(segment.hash, 'hex')
    )::text
    from pgerase_log.segment as segment
    where p_kind = 'header'
        and segment.segment_id between p_first and p_last
    order by segment.segment_id;

    return query
    select pg_catalog.json_build_object(
        'type', 'record',
        'text', pgerase_log.record_text(record.record_id, record.at, record.kind, record.body),
        'segment', record.segment_id
    )::text
    from pgerase_log.record as record
    where p_kind = 'record'
        and record.record_id between p_first and p_last
    order by record.record_id;

    return query
    select pg_catalog.json_build_object(
        'type', 'apart',
        'class', apart.class,
        'family', apart.family,
        'from', pg_catalog.trunc(extract(epoch from nullif(apart.lower_bound, '-infinity')) * 1000000),
        'to', pg_catalog.trunc(extract(epoch from nullif(apart.upper_bound, 'infinity')) * 1000000),
        'alone', apart.is_alone
    )::text
    from pgerase_log.apart() as apart
    where p_kind = 'apart'
    order by apart.class, apart.lower_bound, apart.family;

    return query
    with kept as (
        select
            value.class,
            value.at,
            value.entry_id,
            pg_catalog.json_agg(
                pg_catalog.json_build_object(
                    'part', value.part,
                    'text', case when p_values then pgerase_log.value_text(
                        value.class, value.at, value.entry_id, value.part, value.subject, value.person, value.old, value.new
                    ) end
                )
                order by value.part
            ) as parts
        from pgerase_log.value as value
        where value.entry_id between p_first and p_last
        group by value.class, value.at, value.entry_id
    )
    select pg_catalog.json_build_object(
        'type', 'entry',
        'number', coalesce(entry.entry_id, leaf.entry_id, kept.entry_id),
        'text', case when entry.entry_id is not null then pgerase_log.entry_text(
            entry.class, entry.at, entry.entry_id, entry.xact, entry.relation, entry.action, entry.actor, entry.login,
            entry.role, entry.request, entry.purpose, entry.grant_id, entry.key, entry.old, entry.new, entry.parts
        ) end,
        'segment', leaf.segment_id,
        'position', leaf.position,
        'salt', pg_catalog.encode(leaf.salt, 'hex'),
        'salts', array(
            select case when p_values then pg_catalog.encode(one.salt, 'hex') end
            from pg_catalog.unnest(leaf.salts) with ordinality as one (salt, part)
            order by one.part
        ),
        'commitments', array(
            select pg_catalog.encode(one.commitment, 'hex')
            from pg_catalog.unnest(leaf.commitments) with ordinality as one (commitment, part)
            order by one.part
        ),
        'hash', pg_catalog.encode(leaf.hash, 'hex'),
        'values', coalesce(kept.parts, '[]'),
        -- Else its text says so.
        'class', case when entry.entry_id is null then coalesce(leaf.class, kept.class) end,
        'at', case
            when entry.entry_id is null then pg_catalog.trunc(extract(epoch from coalesce(leaf.at, kept.at)) * 1000000)
        end
    )::text
    from (select one.* from pgerase_log.entry as one where one.entry_id between p_first and p_last) as entry
        full join (select one.* from pgerase_log.leaf as one where one.entry_id between p_first and p_last) as leaf
            on leaf.class = entry.class and leaf.at = entry.at and leaf.entry_id = entry.entry_id
        full join kept
            on kept.class = entry.class and kept.at = entry.at and kept.entry_id = entry.entry_id
    where p_kind = 'entry'
    order by coalesce(entry.entry_id, leaf.entry_id, kept.entry_id);

    return query
    select pg_catalog.json_build_object(
        'type', 'held',
        'number', held.entry_id,
        'text', pgerase_log.entry_text(
            held.class, held.at, held.entry_id, held.xact, held.relation, held.action, held.actor, held.login,
            held.role, held.request, held.purpose, held.grant_id, held.key, held.old, held.new, held.parts
        ),
        'segment', held.segment_id,
        'position', held.position,
        'salt', pg_catalog.encode(held.salt, 'hex'),
        'salts', array(
            select case when p_values then pg_catalog.encode(one.salt, 'hex') end
            from pg_catalog.unnest(held.salts) with ordinality as one (salt, part)
            order by one.part
        ),
        'commitments', array(
            select pg_catalog.encode(one.commitment, 'hex')
            from pg_catalog.unnest(held.commitments) with ordinality as one (commitment, part)
            order by one.part
        ),
        'hash', pg_catalog.encode(held.hash, 'hex'),
        'path', case when held.path is not null then array(
            select pg_catalog.encode(one.node, 'hex')
            from pg_catalog.unnest(held.path) with ordinality as one (node, level)
            order by one.level
        ) end,
        'values', array(
            select pg_catalog.json_build_object(
                'part', value.part,
                'text', case when p_values then pgerase_log.value_text(
                    held.class, held.at, value.entry_id, value.part, value.subject, value.person, value.old, value.new
                ) end
            )
            from pgerase_log.held_value as value
            where value.entry_id = held.entry_id
            order by value.part
        )
    )::text
    from pgerase_log.held as held
    where p_kind = 'held'
        and held.entry_id between p_first and p_last
    order by held.entry_id;
end;
$$;

comment on function pgerase_log.export_lines(text, bigint, bigint, boolean) is 'Headers, records or entries of these numbers as lines of JSON, or what is apart.';

revoke all on function pgerase_log.export_lines(text, bigint, bigint, boolean) from public;
