-- Retires a signing key: from the next statement on nothing that it signed is valid, and the key itself is gone.
create or replace function pgerase_internal.retire_signing_key(p_key_id text)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    update pgerase_internal.signing_key as known
    set
        masked = null,
        valid_until = least(known.valid_until, pg_catalog.statement_timestamp())
    where known.key_id = p_key_id
        and known.masked is not null;

    if not found then
        raise exception using
            errcode = 'ZE021',
            message = 'there is no signing key of this id, or it was retired before',
            hint = 'pgerase key list shows them all.';
    end if;
end;
$$;

comment on function pgerase_internal.retire_signing_key(text) is 'Makes a signing key invalid at once and throws it away.';

revoke all on function pgerase_internal.retire_signing_key(text) from public;
