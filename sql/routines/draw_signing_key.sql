-- Makes a signing key and keeps it. Drawn here and told once, in the answer, it is in no statement and so in no log.
create or replace function pgerase_internal.draw_signing_key(out key_id text, out secret bytea)
    returns record
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    key_id := pg_catalog.left(pgerase_internal.make_token(), 12);
    -- Two version 4 UUIDs hold 244 random bits.
    secret := pg_catalog.sha256(
        pg_catalog.uuid_send(pg_catalog.gen_random_uuid()) || pg_catalog.uuid_send(pg_catalog.gen_random_uuid())
    );
    perform pgerase_internal.keep_signing_key(key_id, secret);
end;
$$;

comment on function pgerase_internal.draw_signing_key() is 'Makes a signing key, keeps it, and returns its id and the key itself.';

revoke all on function pgerase_internal.draw_signing_key() from public;
