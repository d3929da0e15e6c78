-- Empties the salts of these parts of entries: without it, a commitment tells nothing to whoever guesses. p_parts belong to
-- p_entries one by one.
create or replace function pgerase_log.empty_salts(p_entries bigint[], p_parts smallint[])
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_relation text;
begin
    -- As forget_people does with values.
    lock table pgerase_log.leaf in row exclusive mode;

    for v_round in 1 .. 2 loop
        foreach v_relation in array
            case v_round when 1 then array['leaf', 'held'] else '{}' end
            || array(select apart.relation from pgerase_log.unattached('leaf') as apart)
        loop
            begin
                perform pg_catalog.set_config('pgerase.log_change', 'allowed', true);
                execute pg_catalog.format(
                    'update %I.%I as leaf'
                    ' set salts = array('
                    '     select case when salt.part = any (gone.parts) then null else salt.salt end'
                    '     from pg_catalog.unnest(leaf.salts) with ordinality as salt (salt, part)'
                    '     order by salt.part'
                    ' )'
                    ' from ('
                    '     select part.entry_id, pg_catalog.array_agg(part.part) as parts'
                    '     from rows from (pg_catalog.unnest($1), pg_catalog.unnest($2)) as part (entry_id, part)'
                    '     group by part.entry_id'
                    ' ) as gone'
                    ' where leaf.entry_id = gone.entry_id'
                    '     and exists ('
                    '         select'
                    '         from pg_catalog.unnest(leaf.salts) with ordinality as salt (salt, part)'
                    '         where salt.part = any (gone.parts)'
                    '             and salt.salt is not null'
                    '     )',
                    'pgerase_log',
                    v_relation
                )
                using p_entries, p_parts;
                perform pg_catalog.set_config('pgerase.log_change', '', true);
            exception
                when undefined_table then
                    -- Dropped in the meantime, with all that was in it.
                    continue;
            end;
        end loop;
    end loop;
end;
$$;

comment on function pgerase_log.empty_salts(bigint[], smallint[]) is 'Empties the salts of these parts of entries.';

revoke all on function pgerase_log.empty_salts(bigint[], smallint[]) from public;
