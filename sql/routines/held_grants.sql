-- The support grants whose entries are held, as their review is open: none, unless support access is installed.
create or replace function pgerase_log.held_grants()
    returns bigint[]
    language sql
    stable
    parallel safe
    security invoker
return array[]::bigint[];

comment on function pgerase_log.held_grants() is 'Returns the support grants whose entries are held.';

revoke all on function pgerase_log.held_grants() from public;
