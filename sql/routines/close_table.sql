-- Makes a table of the log refuse whatever is not an insert. On each by itself: a statement fires the triggers of the table it
-- names, and truncating those of every partition.
create or replace function pgerase_log.close_table(p_name text)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    execute pg_catalog.format(
        'create or replace trigger refuse_change before update or delete or truncate on %1$I.%2$I'
        ' for each statement execute function %1$I.refuse_change()',
        'pgerase_log',
        p_name
    );
end;
$$;

comment on function pgerase_log.close_table(text) is 'Makes a table of the log refuse whatever is not an insert.';

revoke all on function pgerase_log.close_table(text) from public;
