-- Erases what the log knows of these people: their values and the salts, wherever they are; commitments stay, so that all else
-- can still be verified. Records say which parts of which entries went, and for which request. Security definer because the log
-- is closed; called by the ledger's routine that erases, in its transaction. Sealing waits for it and it for sealing: neither
-- may see what the other is about to take away.
create or replace function pgerase_log.forget_people(p_subject text, p_keys text[], p_request bigint)
    returns bigint
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    c_chunk constant integer := 1000;
    v_relation text;
    v_entries bigint[];
    v_parts smallint[];
    v_all_entries bigint[] := '{}';
    v_all_parts smallint[] := '{}';
begin
    perform pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended('pgerase_log', 2));

    -- Whoever detaches is waited for, or waits, and what is detached without waiting stays in sight until this ends. So what is
    -- apart is looked for twice: before the table, since it may be attached in between, and after it, since it may be detached.
    lock table pgerase_log.value in row exclusive mode;

    -- What lies there would come back with it: who is erased is not looked for then.
    perform pgerase_log.refuse_strangers(p_outcome => 'nobody was erased');

    for v_round in 1 .. 2 loop
        foreach v_relation in array
            case v_round when 1 then array['value', 'held_value'] else '{}' end
            || array(select apart.relation from pgerase_log.unattached('value') as apart)
        loop
            begin
                perform pg_catalog.set_config('pgerase.log_change', 'allowed', true);
                execute pg_catalog.format(
                    'with gone as ('
                    '     delete from %I.%I as value'
                    '     where value.subject = $1 and value.person = any ($2)'
                    '     returning value.entry_id, value.part'
                    ' )'
                    ' select pg_catalog.array_agg(gone.entry_id), pg_catalog.array_agg(gone.part) from gone',
                    'pgerase_log',
                    v_relation
                )
                into strict v_entries, v_parts
                using p_subject, p_keys;
                perform pg_catalog.set_config('pgerase.log_change', '', true);
            exception
                when undefined_table then
                    -- Dropped in the meantime, with all that was in it.
                    continue;
            end;

            v_all_entries := v_all_entries || v_entries;
            v_all_parts := v_all_parts || v_parts;
        end loop;
    end loop;

    perform pgerase_log.empty_salts(p_entries => v_all_entries, p_parts => v_all_parts);

    perform pgerase_log.add_record(
        p_kind => 'erasure',
        p_body => pg_catalog.jsonb_build_object('request', p_request, 'parts', chunk.parts)
    )
    from (
        select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(gone.entry_id, gone.part) order by gone.place) as parts
        from (
            select
                part.entry_id,
                part.part,
                pg_catalog.row_number() over (order by part.entry_id, part.part) - 1 as place
            from (
                -- Held between its partition's detaching and dropping, a value is there twice.
                select distinct one.entry_id, one.part
                from rows from (pg_catalog.unnest(v_all_entries), pg_catalog.unnest(v_all_parts)) as one (entry_id, part)
            ) as part
        ) as gone
        group by gone.place / c_chunk
        order by gone.place / c_chunk
    ) as chunk;

    return pg_catalog.cardinality(v_all_entries);
end;
$$;

comment on function pgerase_log.forget_people(text, text[], bigint) is 'Erases what the log knows of these people, and returns how many values that were.';

revoke all on function pgerase_log.forget_people(text, text[], bigint) from public;
grant execute on function pgerase_log.forget_people(text, text[], bigint) to pgerase_secret;
