-- Drops what detaching concurrently leaves on a partition, or on a class: its bounds as a constraint. Attached again, maybe with
-- wider bounds, it would refuse what belongs there, and so would every partition to come.
create or replace function pgerase_log.drop_bounds(p_relation text)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_name text;
begin
    for v_name in
        select own.conname
        from pg_catalog.pg_constraint as own
            join pg_catalog.pg_class as part on part.oid = own.conrelid and part.relname = p_relation
            join pg_catalog.pg_namespace as home on home.oid = part.relnamespace and home.nspname = 'pgerase_log'
        where own.contype = 'c'
            and own.conislocal
            and pg_catalog.pg_get_constraintdef(own.oid) ~ '^CHECK \(\(\((class|at) IS NOT NULL\) AND '
        order by own.conname
    loop
        execute pg_catalog.format('alter table %I.%I drop constraint %I', 'pgerase_log', p_relation, v_name);
    end loop;
end;
$$;

comment on function pgerase_log.drop_bounds(text) is 'Drops the bounds that detaching left on a table as a constraint.';

revoke all on function pgerase_log.drop_bounds(text) from public;
