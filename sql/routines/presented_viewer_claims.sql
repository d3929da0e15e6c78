-- The identity a session presents, valid or not, where a gateway sets claims.
-- Claims that name nobody are a visitor's, who presents none. Invalid ones are an empty text, which is not null.
create or replace function pgerase.presented_viewer()
    returns text
    language sql
    stable
    parallel safe
    security invoker
    return pgerase.claimed_viewer();

comment on function pgerase.presented_viewer() is 'The identity this session presents, empty where it is invalid; null where it presents none.';

revoke all on function pgerase.presented_viewer() from public;
grant execute on function pgerase.presented_viewer() to pgerase_viewer;
