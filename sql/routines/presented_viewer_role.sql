-- The identity a session presents, for people who log in with roles of their own: always the login.
-- It is never null, so rules for a role without a person apply to nobody: a login is either a known person or unknown,
-- and an unknown identity sees nothing.
create or replace function pgerase.presented_viewer()
    returns text
    language sql
    stable
    parallel safe
    security invoker
    return session_user::text;

comment on function pgerase.presented_viewer() is 'The identity this session presents: its login.';

revoke all on function pgerase.presented_viewer() from public;
grant execute on function pgerase.presented_viewer() to pgerase_viewer;
