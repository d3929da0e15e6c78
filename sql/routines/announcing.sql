-- How support access is announced, as the applied audit.yaml says; where none is applied nobody is told but by the outbox.
-- Security definer because the generated function is closed.
create or replace function pgerase_internal.announcing()
    returns table (notify text, webhook_env text, person boolean, staff_names boolean, links text[])
    language plpgsql
    stable
    parallel safe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    -- Made by apply.
    if pg_catalog.to_regprocedure(pg_catalog.format('%I.announce_settings()', 'pgerase_internal')) is null then
        return query select null::text, null::text, false, false, array[]::text[];
    else
        return query
        select
            applied.notify,
            applied.webhook_env,
            applied.person,
            applied.staff_names,
            applied.links
        from pgerase_internal.announce_settings() as applied;
    end if;
end;
$$;

comment on function pgerase_internal.announcing() is 'Returns how support access is announced.';

revoke all on function pgerase_internal.announcing() from public;
