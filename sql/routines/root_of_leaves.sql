-- The root of a Merkle tree (RFC 6962) over the hashes of its leaves, 32 bytes each, one after the other. Of no leaves: the
-- hash of nothing.
create or replace function pgerase_log.root_of_leaves(p_hashes bytea)
    returns bytea
    language plpgsql
    stable
    parallel safe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_level bytea := coalesce(p_hashes, pg_catalog.decode('', 'hex'));
begin
    if pg_catalog.length(v_level) = 0 then
        return pg_catalog.sha256(v_level);
    end if;

    while pg_catalog.length(v_level) > 32 loop
        v_level := pgerase_log.merkle_level(p_level => v_level);
    end loop;

    return v_level;
end;
$$;

comment on function pgerase_log.root_of_leaves(bytea) is 'The root of a Merkle tree over these hashes of leaves.';

revoke all on function pgerase_log.root_of_leaves(bytea) from public;
