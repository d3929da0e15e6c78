-- The viewer's key, for people who log in with roles of their own: the login, whatever role has been set since.
create or replace function pgerase.current_viewer()
    returns text
    language sql
    stable
    parallel safe
    security invoker
    return session_user::text;

comment on function pgerase.current_viewer() is 'The key of the viewer this session runs for: its login.';

revoke all on function pgerase.current_viewer() from public;
grant execute on function pgerase.current_viewer() to pgerase_viewer, pgerase_lookup, pgerase_keeper;
