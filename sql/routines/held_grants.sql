-- The support grants whose entries are held, as their review is open.
create or replace function pgerase_log.held_grants()
    returns bigint[]
    language plpgsql
    stable
    parallel safe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    return pgerase_internal.open_reviews();
end;
$$;

comment on function pgerase_log.held_grants() is 'Returns the support grants whose entries are held.';

revoke all on function pgerase_log.held_grants() from public;
