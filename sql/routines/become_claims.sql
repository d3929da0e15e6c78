-- Where a gateway sets claims, they alone say who the viewer is: saying so beats having no effect.
create or replace function pgerase.become(p_viewer text)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    raise exception using
        errcode = 'ZE003',
        message = 'viewers are identified by claims here, become has no say in it',
        hint = 'Set request.jwt.claims for the transaction, or change viewers.identity and upgrade.';
end;
$$;

comment on function pgerase.become(text) is 'Raises an error: viewers are identified by claims here.';

revoke all on function pgerase.become(text) from public;
grant execute on function pgerase.become(text) to pgerase_viewer;
