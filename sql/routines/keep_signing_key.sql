-- Keeps a key under the mask. The same key again is kept under the mask of today, which makes it work again after a restore;
-- another key of that id, and a key that was retired, is refused.
create or replace function pgerase_internal.keep_signing_key(p_key_id text, p_secret bytea)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_key constant bit(512) :=
        ('x' || pg_catalog.rpad(pg_catalog.encode(p_secret, 'hex'), 128, '0'))::bit(512);
    v_fingerprint text;
begin
    if p_secret is null or pg_catalog.length(p_secret) not between 32 and 64 then
        raise exception using
            errcode = 'ZE021',
            message = 'a signing key has 32 to 64 bytes';
    end if;

    select pg_catalog.left(
        pg_catalog.encode(
            pg_catalog.sha256(
                pg_catalog.substr(pg_catalog.bit_send(v_key # ('x' || pg_catalog.repeat('5c', 64))::bit(512)), 5)
                || pg_catalog.sha256(
                    pg_catalog.substr(pg_catalog.bit_send(v_key # ('x' || pg_catalog.repeat('36', 64))::bit(512)), 5)
                    || pg_catalog.convert_to('pgerase fingerprint', 'UTF8')
                )
            ),
            'hex'
        ),
        16
    )
    into strict v_fingerprint;

    insert into pgerase_internal.signing_key as known (key_id, masked, fingerprint)
    select
        p_key_id,
        v_key # key_mask.inner_pad # ('x' || pg_catalog.repeat('36', 64))::bit(512),
        v_fingerprint
    from pgerase_internal.key_mask
    where not exists (
            select
            from pgerase_internal.signing_key as other
            where other.fingerprint = v_fingerprint
                and other.key_id <> p_key_id
        )
    on conflict (key_id) do update
    set masked = excluded.masked
    where known.fingerprint = excluded.fingerprint
        and known.masked is not null;

    if not found then
        raise exception using
            errcode = 'ZE021',
            message = 'another signing key has this id, or this one was retired or has another id',
            hint = 'Make a new one: pgerase key add or pgerase key rotate.';
    end if;
end;
$$;

comment on function pgerase_internal.keep_signing_key(text, bytea) is 'Keeps a signing key so that only its owner can make it out.';

revoke all on function pgerase_internal.keep_signing_key(text, bytea) from public;
