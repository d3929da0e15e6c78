-- 32 bytes, 244 bits of which are random: version 4 UUIDs are drawn from the server's strong source of randomness.
create or replace function pgerase_log.draw_salt()
    returns bytea
    language sql
    volatile
    parallel safe
    security invoker
return pg_catalog.uuid_send(pg_catalog.gen_random_uuid()) || pg_catalog.uuid_send(pg_catalog.gen_random_uuid());

comment on function pgerase_log.draw_salt() is 'Draws a salt.';

revoke all on function pgerase_log.draw_salt() from public;
