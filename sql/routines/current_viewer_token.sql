-- The viewer's key: what a proof of this transaction names, signed with a key that is valid now, until the token's end.
-- Security definer because the keys are closed. A client may set whatever it likes; without a signature that only the server
-- and the signer can make it is nobody. The proof is its signature and then key id, end, stamp and viewer, of which only
-- the last may hold a colon. PL/pgSQL, so that the look for the key is planned once a session.
create or replace function pgerase.current_viewer()
    returns text
    language plpgsql
    stable
    parallel safe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_proof constant text := pg_catalog.current_setting('pgerase.viewer', true);
    v_proved text;
    v_fields text[];
    v_mac bytea;
begin
    if coalesce(v_proof, '') = '' then
        return null;
    end if;

    v_proved := pg_catalog.substr(v_proof, 66);
    v_fields := pg_catalog.string_to_array(v_proved, ':');
    if v_fields[3] is distinct from extract(epoch from pg_catalog.now())::pg_catalog.text then
        return null;
    end if;

    select signature.mac
    into v_mac
    from pgerase_internal.signatures(pg_catalog.convert_to('proof ' || v_proved, 'UTF8')) as signature
    where signature.key_id = v_fields[1];

    -- Null where no valid key has this id.
    if pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.left(v_proof, 65), 'UTF8'))
        is distinct from pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.encode(v_mac, 'hex') || ':', 'UTF8'))
    then
        return null;
    end if;

    -- Only what is signed is read as a number.
    if v_fields[2]::numeric <= extract(epoch from pg_catalog.statement_timestamp()) then
        return null;
    end if;
    return pg_catalog.array_to_string(v_fields[4:], ':');
end;
$$;

comment on function pgerase.current_viewer() is 'The key of the viewer this transaction runs for; null where there is no valid identity.';

revoke all on function pgerase.current_viewer() from public;
grant execute on function pgerase.current_viewer() to pgerase_viewer, pgerase_lookup, pgerase_keeper;
