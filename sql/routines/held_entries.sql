-- The entries that an open hold is about, of one table, a partition or the held ones: with a value of a held person, about a held
-- row, or written under a support grant whose review is open. Who merely did something is not held for it. Values that somebody
-- set aside are looked at as well, and may name entries of other tables.
create or replace function pgerase_log.held_entries(p_entry text, p_value text)
    returns bigint[]
    language plpgsql
    stable
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_entries bigint[] := '{}';
    v_found bigint[];
    v_relation text;
begin
    -- Where nobody holds anything, nothing is read: expiring takes the same time whatever the size.
    if exists (select from pgerase_log.hold as placed where placed.released_at is null and placed.subject is not null) then
        for v_relation in
            select p_value

            union

            select apart.relation
            from pgerase_log.unattached(p_table => 'value') as apart
        loop
            execute pg_catalog.format(
                'select coalesce(pg_catalog.array_agg(one.entry_id), ''{}'')'
                ' from %1$I.hold as placed'
                ' join %1$I.%2$I as one on one.subject = placed.subject and one.person = placed.person'
                ' where placed.released_at is null',
                'pgerase_log',
                v_relation
            )
            into strict v_found;
            v_entries := v_entries || v_found;
        end loop;
    end if;

    if exists (select from pgerase_log.hold as placed where placed.released_at is null and placed.relation is not null) then
        execute pg_catalog.format(
            'select coalesce(pg_catalog.array_agg(one.entry_id), ''{}'')'
            ' from %1$I.hold as placed'
            ' join %1$I.%2$I as one'
            ' on one.relation = placed.relation'
            ' and not exists ('
            '     select from pg_catalog.jsonb_each_text(placed.key) as part'
            '     where one.key ->> part.key is distinct from part.value'
            ' )'
            ' where placed.released_at is null',
            'pgerase_log',
            p_entry
        )
        into strict v_found;
        v_entries := v_entries || v_found;
    end if;

    if pg_catalog.cardinality(pgerase_log.held_grants()) > 0 then
        execute pg_catalog.format(
            'select coalesce(pg_catalog.array_agg(one.entry_id), ''{}'') from %1$I.%2$I as one where one.grant_id = any ($1)',
            'pgerase_log',
            p_entry
        )
        into strict v_found
        using pgerase_log.held_grants();
        v_entries := v_entries || v_found;
    end if;

    return v_entries;
end;
$$;

comment on function pgerase_log.held_entries(text, text) is 'Returns the entries of a table that an open hold is about.';

revoke all on function pgerase_log.held_entries(text, text) from public;
