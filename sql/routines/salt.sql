-- One salt of a run: of the entry of this number in it (part 0), or of one of its values. Without the seed, nobody can tell one
-- salt from others.
create or replace function pgerase_log.salt(p_seed bytea, p_number bigint, p_part integer)
    returns bytea
    language sql
    immutable
    parallel safe
    security invoker
return pg_catalog.sha256(p_seed || pg_catalog.int8send(p_number) || pg_catalog.int4send(p_part));

comment on function pgerase_log.salt(bytea, bigint, integer) is 'Makes a salt.';

revoke all on function pgerase_log.salt(bytea, bigint, integer) from public;
