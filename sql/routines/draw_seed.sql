-- What the salts of one run of sealing are made of: four version 4 UUIDs hold 488 bits from the server's strong source of
-- randomness, which is slow where every salt asks for some. It is kept nowhere, and a salt does not tell it.
create or replace function pgerase_log.draw_seed()
    returns bytea
    language sql
    volatile
    parallel safe
    security invoker
return pg_catalog.sha256(
    pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
    || pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
    || pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
    || pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
);

comment on function pgerase_log.draw_seed() is 'Draws what salts are made of.';

revoke all on function pgerase_log.draw_seed() from public;
