-- The next level of a Merkle tree: nodes are 32 bytes each, one after the other; a last one without a partner goes up as it is,
-- which is what RFC 6962 says of trees that are not full.
create or replace function pgerase_log.merkle_level(p_level bytea)
    returns bytea
    language sql
    stable
    parallel safe
    security invoker
begin atomic
    select
        coalesce(
            pg_catalog.string_agg(
                pg_catalog.sha256(pg_catalog.decode('01', 'hex') || pg_catalog.substr(p_level, 64 * pair.number + 1, 64)),
                pg_catalog.decode('', 'hex')
                order by pair.number
            ),
            pg_catalog.decode('', 'hex')
        )
        || pg_catalog.substr(p_level, pg_catalog.length(p_level) / 64 * 64 + 1)
    from pg_catalog.generate_series(0, pg_catalog.length(p_level) / 64 - 1) as pair (number);
end;

comment on function pgerase_log.merkle_level(bytea) is 'The next level of a Merkle tree above these nodes.';

revoke all on function pgerase_log.merkle_level(bytea) from public;
