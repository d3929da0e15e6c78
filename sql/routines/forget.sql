-- Takes the identity away for the rest of this transaction. What follows presents none.
create or replace function pgerase.forget()
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    perform pg_catalog.set_config('pgerase.viewer', '', true);
    perform pg_catalog.set_config('pgerase.wide', '', true);
end;
$$;

comment on function pgerase.forget() is 'Takes the viewer away for the rest of this transaction.';

revoke all on function pgerase.forget() from public;
grant execute on function pgerase.forget() to pgerase_viewer;
