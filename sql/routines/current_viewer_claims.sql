-- The viewer's key, where a gateway sets claims. They carry no stamp: whoever sets them has to do so for one transaction.
create or replace function pgerase.current_viewer()
    returns text
    language sql
    stable
    parallel safe
    security invoker
    return nullif(pgerase.claimed_viewer(), '');

comment on function pgerase.current_viewer() is 'The key of the viewer that the claims name; null where there is no valid identity.';

revoke all on function pgerase.current_viewer() from public;
grant execute on function pgerase.current_viewer() to pgerase_viewer, pgerase_lookup, pgerase_keeper;
