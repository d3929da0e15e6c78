-- Keeps a signed checkpoint. Who signed, and what, is checked by whoever has the public key, not here; that the root is the one
-- of so many headers is. Security definer because the log is closed; operators call it.
create or replace function pgerase_log.keep_checkpoint(
    p_size bigint,
    p_key_id text,
    p_root bytea,
    p_at timestamptz,
    p_text text,
    p_signature bytea
)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    if p_root is distinct from pgerase_log.headers_root(p_size => p_size) then
        raise exception using
            errcode = 'ZE232',
            message = pg_catalog.format('this is not the root of the first %s headers of the log', p_size),
            hint = 'pgerase audit verify says what happened to them.';
    end if;

    insert into pgerase_log.checkpoint (size, key_id, root, at, text, signature)
    values (p_size, p_key_id, p_root, p_at, p_text, p_signature)
    on conflict on constraint checkpoint_pkey do nothing;
end;
$$;

comment on function pgerase_log.keep_checkpoint(bigint, text, bytea, timestamptz, text, bytea) is 'Keeps a signed checkpoint.';

revoke all on function pgerase_log.keep_checkpoint(bigint, text, bytea, timestamptz, text, bytea) from public;
