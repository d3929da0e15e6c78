-- The identity a session presents, valid or not, for identities that travel in a setting.
-- Policies tell with it whether nobody is there (null) or somebody who may be an impostor (anything else): the latter
-- sees nothing at all. An empty setting counts as none, because that is what a finished transaction leaves behind.
create or replace function pgerase.presented_viewer()
    returns text
    language sql
    stable
    parallel safe
    security invoker
    return nullif(pg_catalog.current_setting('pgerase.viewer', true), '');

comment on function pgerase.presented_viewer() is 'The identity this session presents, valid or not; null where it presents none.';

revoke all on function pgerase.presented_viewer() from public;
grant execute on function pgerase.presented_viewer() to pgerase_viewer;
