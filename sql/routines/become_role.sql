-- Where people log in with roles of their own, nobody can become anybody else: saying so beats having no effect.
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
        message = 'viewers are identified by their login here, nobody can become somebody else',
        hint = 'Log in as the person, or change viewers.identity and install again.';
end;
$$;

comment on function pgerase.become(text) is 'Raises an error: viewers are identified by their login here.';

revoke all on function pgerase.become(text) from public;
grant execute on function pgerase.become(text) to pgerase_viewer;
