-- Seals what is committed and not sealed yet, at most so many entries and records; returns the new segments, none where nothing
-- was to do. Security definer because the log is closed; operators call it. Off the write path: it takes no lock that a writer
-- waits for. One at a time, since headers are a chain. The floor saves looking at everything: numbers up to it are sealed for
-- good, as every transaction that drew one had ended; what is detached has to be sealed as well. Transactions of before a
-- restore elsewhere have all ended, too.
create or replace function pgerase_log.seal(
    p_now timestamptz default pg_catalog.clock_timestamp(),
    p_limit integer default 100000
)
    returns table (segment_id bigint, kind text, class text, entries integer)
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set work_mem = '64MB'
    set enable_seqscan = 'off'
    set enable_nestloop = 'off'
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    c_nothing constant bytea := pg_catalog.decode('', 'hex');
    c_zeros constant bytea := pg_catalog.decode(pg_catalog.repeat('00', 32), 'hex');
    v_header record;
    v_segment record;
    v_sequence bigint;
    v_oldest xid8;
    v_newest xid8;
    v_floor bigint;
    v_made record;
    v_records bigint;
    v_previous bytea;
    v_hash bytea;
    v_number bigint;
    v_part record;
    v_seed bytea;
    v_apart text[];
    v_values text[];
    v_is_late boolean;
    v_relation text;
    v_waiting bigint[] := '{}';
begin
    if pg_catalog.current_setting('transaction_isolation') <> 'read committed' then
        raise exception using
            errcode = 'ZE231',
            message = 'the log is sealed under READ COMMITTED only',
            hint = 'Under other isolation levels, what others did in the meantime would not be seen.';
    end if;

    -- A header with such a time could not be read by those who verify.
    if
        p_now is null
        or p_now not between timestamptz '2000-01-01 00:00Z' and timestamptz '9999-01-01 00:00Z'
    then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = 'the log is not sealed by a clock that is before 2000, or after 9998';
    end if;

    if not pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('pgerase_log', 1)) then
        raise exception using
            errcode = 'ZE230',
            message = 'another session is sealing the log',
            hint = 'Nothing is lost: what is not sealed now will be the next time.';
    end if;

    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('pgerase_log', 2));

    -- Erasing under another isolation level may not have seen a leaf of the latest segment.
    select
        pg_catalog.array_agg((part.part ->> 0)::bigint) as entries,
        pg_catalog.array_agg((part.part ->> 1)::smallint) as parts
    into strict v_part
    from pgerase_log.record as record
        cross join lateral pg_catalog.jsonb_array_elements(record.body -> 'parts') as part (part)
    where record.segment_id is null
        and record.kind = 'erasure'
        and pgerase_log.is_readable(p_at => record.at, p_kind => record.kind, p_body => record.body);

    if v_part.entries is not null and exists (
        select
        from pgerase_log.leaf as leaf
            join rows from (pg_catalog.unnest(v_part.entries), pg_catalog.unnest(v_part.parts)) as part (entry_id, part)
                on part.entry_id = leaf.entry_id
        where leaf.salts[part.part] is not null
    ) then
        perform pgerase_log.empty_salts(p_entries => v_part.entries, p_parts => v_part.parts);
    end if;

    select segment.segment_id, segment.floor, segment.hash
    into v_header
    from pgerase_log.segment as segment
    order by segment.segment_id desc
    limit 1;

    v_number := coalesce(v_header.segment_id, 0);
    v_floor := coalesce(v_header.floor, 0);
    v_previous := coalesce(v_header.hash, c_zeros);

    -- In this order: whoever drew a number that is no greater than this one has a smaller transaction than the next.
    select case when number.is_called then number.last_value else 0 end
    into strict v_sequence
    from pgerase_log.entry_entry_id_seq as number;

    v_newest := pgerase_log.next_transaction();
    v_oldest := pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot());

    v_seed := pgerase_log.draw_seed();
    v_apart := array(select apart.relation from pgerase_log.unattached(p_table => 'entry') as apart);

    -- Entries with values in a table that is detached wait for it: sealed now, these would count as erased before. Not where the
    -- time of their own table is over, when both are to go. Whoever detaches from now on waits, or is found below.
    lock table pgerase_log.value in access share mode;
    v_values := array(select apart.relation from pgerase_log.unattached(p_table => 'value') as apart);

    foreach v_relation in array v_values loop
        execute pg_catalog.format(
            'with over as materialized ('
            '     select found.class, found.lower_bound, found.upper_bound'
            '     from %1$I.partitions() as found'
            '     where found.family = ''entry'' and found.due_at <= $3'
            ' )'
            ' select pg_catalog.array_cat($1, pg_catalog.array_agg(distinct one.entry_id))'
            ' from %1$I.%2$I as one'
            ' where one.entry_id > $2'
            '     and not exists ('
            '         select'
            '         from over'
            '         where over.class = one.class and over.lower_bound <= one.at and one.at < over.upper_bound'
            '     )'
            -- Somebody's copy of what is there keeps nobody waiting.
            '     and not exists ('
            '         select'
            '         from %1$I.value as there'
            '         where there.entry_id = one.entry_id'
            '             and there.entry_id > $2'
            '             and (there.class = one.class and there.at = one.at and there.part = one.part) is true'
            '     )',
            'pgerase_log',
            v_relation
        )
        into strict v_waiting
        using v_waiting, v_floor, p_now;
    end loop;

    -- What has nothing apart is hashed at once, so that no texts are sorted. Places are given before what is apart is joined,
    -- which mixes the order up. Joins are by number alone, what else has to be equal is looked at afterwards (IS TRUE): nobody
    -- has counted yet what is new, and a join by class would compare each entry with all of them.
    with fresh as materialized (
        select
            entry.class,
            entry.day,
            entry.at,
            entry.entry_id,
            entry.parts,
            entry.number,
            entry.salt,
            entry.text,
            entry.hash,
            pg_catalog.dense_rank() over (order by entry.class, entry.day) as segment,
            pg_catalog.row_number() over (partition by entry.class, entry.day order by entry.number) as place
        from (
            select
                entry.class,
                entry.day,
                entry.at,
                entry.entry_id,
                entry.parts,
                entry.number,
                salted.salt,
                case when entry.parts > 0 then entry.text end as text,
                case when entry.parts <= 0 then pgerase_log.text_hash(p_text => entry.text, p_salt => salted.salt) end as hash
            from (
                select
                    entry.class,
                    entry.at,
                    entry.entry_id,
                    entry.parts,
                    pgerase_log.entry_text(
                        entry.class, entry.at, entry.entry_id, entry.xact, entry.relation, entry.action, entry.actor,
                        entry.login, entry.role, entry.request, entry.purpose, entry.grant_id, entry.key, entry.old,
                        entry.new, entry.parts
                    ) as text,
                    pg_catalog.date_trunc('day', entry.at, 'UTC') as day,
                    pg_catalog.row_number() over (order by entry.entry_id, entry.at, entry.class) as number
                from pgerase_log.entry as entry
                where entry.entry_id > v_floor
                    and entry.entry_id <> all (v_waiting)
                    and not exists (
                        select
                        from pgerase_log.leaf as leaf
                        where leaf.entry_id > v_floor
                            and leaf.entry_id = entry.entry_id
                            and (leaf.class = entry.class and leaf.at = entry.at) is true
                    )
                order by entry.entry_id, entry.at, entry.class
                limit p_limit
            ) as entry
                cross join lateral (
                    select pgerase_log.salt(v_seed, entry.number, 0) as salt
                    offset 0
                ) as salted
        ) as entry
    ),
    part as (
        select
            fresh.number,
            count.part,
            case when value.entry_id is not null then pgerase_log.salt(v_seed, fresh.number, count.part) end as salt,
            case
                when value.entry_id is not null then pgerase_log.commitment(
                    p_text => pgerase_log.value_text(
                        value.class, value.at, value.entry_id, value.part, value.subject, value.person, value.old, value.new
                    ),
                    p_salt => pgerase_log.salt(v_seed, fresh.number, count.part)
                )
                -- It was erased before it was sealed.
                else c_zeros
            end as commitment
        from fresh
            cross join lateral pg_catalog.generate_series(1, fresh.parts) as count (part)
            left join pgerase_log.value as value
                on value.entry_id = fresh.entry_id
                and value.entry_id > v_floor
                and (value.class = fresh.class and value.at = fresh.at and value.part = count.part) is true
        where fresh.parts > 0
    ),
    apart as (
        select
            part.number,
            pg_catalog.array_agg(part.salt order by part.part) as salts,
            pg_catalog.array_agg(part.commitment order by part.part) as commitments,
            pg_catalog.string_agg(part.commitment, c_nothing order by part.part) as together
        from (select one.* from part as one offset 0) as part
        group by part.number
    ),
    sealed as (
        insert into pgerase_log.leaf (class, at, entry_id, segment_id, position, salt, salts, commitments, hash)
        select
            fresh.class,
            fresh.at,
            fresh.entry_id,
            v_number + fresh.segment,
            fresh.place - 1,
            fresh.salt,
            '{}',
            '{}',
            fresh.hash
        from fresh
        where fresh.parts <= 0

        union all

        select
            fresh.class,
            fresh.at,
            fresh.entry_id,
            v_number + fresh.segment,
            fresh.place - 1,
            fresh.salt,
            apart.salts,
            apart.commitments,
            pgerase_log.text_hash(p_text => fresh.text, p_salt => fresh.salt, p_commitments => apart.together)
        from fresh
            join apart on apart.number = fresh.number
        where fresh.parts > 0
        returning leaf.class, leaf.at, leaf.entry_id, leaf.segment_id, leaf.position, leaf.hash
    ),
    made as (
        select
            sealed.segment_id,
            sealed.class,
            pg_catalog.date_trunc('day', pg_catalog.min(sealed.at), 'UTC') as day,
            pg_catalog.count(*) as entries,
            pg_catalog.min(sealed.entry_id) as first_id,
            pg_catalog.max(sealed.entry_id) as last_id,
            pgerase_log.root_of_leaves(
                p_hashes => pg_catalog.string_agg(sealed.hash, c_nothing order by sealed.position)
            ) as root
        from sealed
        group by sealed.segment_id, sealed.class
    )
    select
        pg_catalog.count(*) as segments,
        coalesce(pg_catalog.sum(made.entries), 0) as entries,
        pg_catalog.array_agg(made.segment_id) as numbers,
        pg_catalog.array_agg(made.class) as classes,
        pg_catalog.array_agg(made.day) as days,
        pg_catalog.array_agg(made.entries) as counts,
        pg_catalog.array_agg(made.first_id) as firsts,
        pg_catalog.array_agg(made.last_id) as lasts,
        pg_catalog.array_agg(made.root) as roots
    into strict v_made
    from made;

    for v_relation in
        select apart.relation
        from pgerase_log.unattached(p_table => 'value') as apart
        where apart.relation <> all (v_values)
    loop
        execute pg_catalog.format(
            'select exists ('
            '     select'
            '     from %1$I.%2$I as one'
            '         join %1$I.leaf as leaf on leaf.entry_id = one.entry_id'
            '     where one.entry_id > $1 and leaf.entry_id > $1 and leaf.segment_id > $2'
            ' )',
            'pgerase_log',
            v_relation
        )
        into strict v_is_late
        using coalesce(v_header.floor, 0), v_number;

        if v_is_late then
            raise exception using
                errcode = 'ZE230',
                message = 'another session detached values of the log while it was sealed',
                hint = 'Nothing is lost: what is not sealed now will be the next time.';
        end if;
    end loop;

    update pgerase_log.record as record
    set segment_id = v_number + v_made.segments + 1
    where record.segment_id is null
        and record.record_id <= (
            select pg_catalog.max(open.record_id)
            from (
                select one.record_id
                from pgerase_log.record as one
                where one.segment_id is null
                order by one.record_id
                limit p_limit
            ) as open
        );

    get diagnostics v_records = row_count;

    -- All that is visible is sealed now: what was drawn before a seal that no transaction of then survives is complete.
    if v_made.entries < p_limit then
        select greatest(v_floor, pg_catalog.max(segment.sequence))
        into strict v_floor
        from pgerase_log.segment as segment
        where segment.sequence > v_floor
            and (segment.newest <= v_oldest or segment.newest > v_newest);
    end if;

    -- What was detached, then or since, was not seen: it is sealed when it is attached again, and has to be above the floor then.
    for v_relation in
        select one.relation
        from pg_catalog.unnest(v_apart) as one (relation)

        union

        select apart.relation
        from pgerase_log.unattached(p_table => 'entry') as apart
    loop
        v_floor := least(v_floor, pgerase_log.first_unsealed(p_entry => v_relation) - 1);
    end loop;

    select least(v_floor, pg_catalog.min(waiting.entry_id) - 1)
    into strict v_floor
    from pg_catalog.unnest(v_waiting) as waiting (entry_id)
    where exists (select from pgerase_log.entry as entry where entry.entry_id = waiting.entry_id)
        and not exists (select from pgerase_log.leaf as leaf where leaf.entry_id = waiting.entry_id);

    for v_segment in
        select
            made.segment_id,
            made.kind,
            made.class,
            made.day as from_at,
            made.day + interval '24 hours' as to_at,
            made.entries::integer as entries,
            made.first_id,
            made.last_id,
            -- The floor holds when the last one of them is there.
            pg_catalog.row_number() over (order by made.segment_id desc) = 1 as is_last,
            made.root
        from (
            select
                entry.segment_id,
                'entry' as kind,
                entry.class,
                entry.day,
                entry.entries,
                entry.first_id,
                entry.last_id,
                entry.root
            from rows from (
                pg_catalog.unnest(v_made.numbers),
                pg_catalog.unnest(v_made.classes),
                pg_catalog.unnest(v_made.days),
                pg_catalog.unnest(v_made.counts),
                pg_catalog.unnest(v_made.firsts),
                pg_catalog.unnest(v_made.lasts),
                pg_catalog.unnest(v_made.roots)
            ) as entry (segment_id, class, day, entries, first_id, last_id, root)

            union all

            select
                record.segment_id,
                'record',
                null,
                null,
                pg_catalog.count(*),
                pg_catalog.min(record.record_id),
                pg_catalog.max(record.record_id),
                pgerase_log.root_of_leaves(
                    p_hashes => pg_catalog.string_agg(
                        pgerase_log.text_hash(
                            p_text => pgerase_log.record_text(record.record_id, record.at, record.kind, record.body)
                        ),
                        c_nothing
                        order by record.record_id
                    )
                )
            from pgerase_log.record as record
            where record.segment_id = v_number + v_made.segments + 1
            group by record.segment_id

            union all

            -- Nothing happened since: only how far all is sealed is news.
            select v_number + 1, 'record', null, null, 0, null, null, pgerase_log.root_of_leaves(p_hashes => c_nothing)
            where v_made.entries = 0
                and v_records = 0
                and v_floor > v_header.floor
        ) as made
        order by made.segment_id
    loop
        v_hash := pgerase_log.text_hash(
            p_text => pgerase_log.segment_text(
                p_segment_id => v_segment.segment_id,
                p_kind => v_segment.kind,
                p_class => v_segment.class,
                p_from_at => v_segment.from_at,
                p_to_at => v_segment.to_at,
                p_entries => v_segment.entries,
                p_first_id => v_segment.first_id,
                p_last_id => v_segment.last_id,
                p_sequence => v_sequence,
                p_floor => case when v_segment.is_last then v_floor else coalesce(v_header.floor, 0) end,
                p_oldest => v_oldest,
                p_newest => v_newest,
                p_at => p_now,
                p_previous => v_previous,
                p_root => v_segment.root
            )
        );

        insert into pgerase_log.segment (
            segment_id, kind, class, from_at, to_at, entries, first_id, last_id, sequence, floor, oldest, newest, at, previous,
            root, hash
        )
        values (
            v_segment.segment_id,
            v_segment.kind,
            v_segment.class,
            v_segment.from_at,
            v_segment.to_at,
            v_segment.entries,
            v_segment.first_id,
            v_segment.last_id,
            v_sequence,
            case when v_segment.is_last then v_floor else coalesce(v_header.floor, 0) end,
            v_oldest,
            v_newest,
            p_now,
            v_previous,
            v_segment.root,
            v_hash
        );

        v_previous := v_hash;
        segment_id := v_segment.segment_id;
        kind := v_segment.kind;
        class := v_segment.class;
        entries := v_segment.entries;
        return next;
    end loop;
end;
$$;

comment on function pgerase_log.seal(timestamptz, integer) is 'Seals what is committed and not sealed yet, and returns the new segments.';

revoke all on function pgerase_log.seal(timestamptz, integer) from public;
