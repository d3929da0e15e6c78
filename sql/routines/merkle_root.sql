-- The root of a Merkle tree (RFC 6962) over the hashes of its leaves, in this order. Of no leaves: the hash of nothing.
create or replace function pgerase_log.merkle_root(p_hashes bytea[])
    returns bytea
    language plpgsql
    stable
    parallel safe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_level bytea;
begin
    select coalesce(
        pg_catalog.string_agg(leaf.hash, pg_catalog.decode('', 'hex') order by leaf.place),
        pg_catalog.decode('', 'hex')
    )
    into strict v_level
    from pg_catalog.unnest(p_hashes) with ordinality as leaf (hash, place);

    if pg_catalog.length(v_level) = 0 then
        return pg_catalog.sha256(v_level);
    end if;

    while pg_catalog.length(v_level) > 32 loop
        v_level := pgerase_log.merkle_level(p_level => v_level);
    end loop;

    return v_level;
end;
$$;

comment on function pgerase_log.merkle_root(bytea[]) is 'The root of a Merkle tree over these hashes of leaves.';

revoke all on function pgerase_log.merkle_root(bytea[]) from public;
