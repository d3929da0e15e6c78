-- Copies what a hold is about out of tables that are about to go, with all values and what proves it: the inclusion path needs
-- the whole segment, so this is done before detaching, and once more before dropping, for a hold placed in between. Security
-- definer because the log is closed.
create or replace function pgerase_log.keep_held(p_entry text, p_value text, p_leaf text, p_due timestamptz)
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
    v_entries bigint[];
    v_kept bigint[] := '{}';
    v_relation text;
    v_first integer;
    v_is_proven boolean := pg_catalog.to_regprocedure(
        pg_catalog.format('%I.inclusion_path(bigint, integer)', 'pgerase_log')
    ) is not null;
    v_insert constant text := pg_catalog.format(
        'with kept as ('
        ' insert into %1$I.held'
        ' select entry.class, entry.at, entry.entry_id, entry.xact, entry.relation, entry.action, entry.actor, entry.login,'
        ' entry.role, entry.request, entry.purpose, entry.grant_id, entry.key, entry.old, entry.new, entry.parts, $2,'
        ' leaf.segment_id, leaf.position, leaf.salt, leaf.salts, leaf.commitments, leaf.hash,'
        ' %%s'
        ' from %1$I.%2$I as entry'
        ' left join %1$I.%3$I as leaf on leaf.entry_id = entry.entry_id'
        ' where entry.entry_id = any ($1)'
        ' on conflict on constraint held_pkey do nothing'
        ' returning held.entry_id'
        ' )'
        ' select coalesce(pg_catalog.array_agg(kept.entry_id order by kept.entry_id), ''{}'') from kept',
        'pgerase_log',
        p_entry,
        p_leaf
    );
begin
    -- Not beside erasing, whose deletes this copy would not see.
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('pgerase_log', 2));

    if exists (select from pgerase_log.hold as placed where placed.released_at is null and placed.subject is not null) then
        perform pgerase_log.refuse_strangers(p_outcome => 'nothing goes while somebody is held');
    end if;

    v_entries := pgerase_log.held_entries(p_entry => p_entry, p_value => p_value);

    if v_entries = '{}' then
        return 0;
    end if;

    if v_is_proven then
        begin
            execute pg_catalog.format(
                v_insert,
                pg_catalog.format('%I.inclusion_path(leaf.segment_id, leaf.position)', 'pgerase_log')
            )
            into strict v_kept
            using v_entries, p_due;
        exception
            when sqlstate 'ZE232' then
                -- The segment was tampered with, which verifying finds: no reason to lose what is held.
                v_is_proven := false;
        end;
    end if;

    if not v_is_proven then
        execute pg_catalog.format(v_insert, 'null') into strict v_kept using v_entries, p_due;
    end if;

    -- Of no entry that is not held itself: what was set aside may have others as well.
    for v_relation in
        select p_value

        union

        select apart.relation
        from pgerase_log.unattached(p_table => 'value') as apart
    loop
        execute pg_catalog.format(
            'insert into %1$I.held_value'
            ' select one.entry_id, one.part, one.subject, one.person, one.old, one.new'
            ' from %1$I.%2$I as one'
            ' join %1$I.held as kept on kept.entry_id = one.entry_id'
            ' where one.entry_id = any ($1)'
            ' on conflict on constraint held_value_pkey do nothing',
            'pgerase_log',
            v_relation
        )
        using v_entries;
    end loop;

    -- By number, or another entry could take the place of one.
    for v_first in 1 .. pg_catalog.cardinality(v_kept) by c_chunk loop
        perform pgerase_log.add_record(
            p_kind => 'held',
            p_body => pg_catalog.jsonb_build_object(
                'table', p_entry,
                'entries', pg_catalog.cardinality(v_kept[v_first:v_first + c_chunk - 1]),
                'numbers', v_kept[v_first:v_first + c_chunk - 1],
                'proven', v_is_proven
            )
        );
    end loop;
    return pg_catalog.cardinality(v_kept);
end;
$$;

comment on function pgerase_log.keep_held(text, text, text, timestamptz) is 'Copies what a hold is about out of tables that are about to go, and returns how many entries.';

revoke all on function pgerase_log.keep_held(text, text, text, timestamptz) from public;
