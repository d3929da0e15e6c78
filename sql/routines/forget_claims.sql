-- Takes the identity away for the rest of this transaction: what follows presents no claims at all.
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
    perform pg_catalog.set_config('request.jwt.claims', '', true);
    -- A claim with a name that no setting can have was never set this way.
    if pg_catalog.current_setting('request.jwt.claim.' || 'sub', true) <> '' then
        perform pg_catalog.set_config('request.jwt.claim.' || 'sub', '', true);
    end if;
end;
$$;

comment on function pgerase.forget() is 'Takes the viewer away for the rest of this transaction.';

revoke all on function pgerase.forget() from public;
grant execute on function pgerase.forget() to pgerase_viewer;
