-- What each valid key makes of a message: HMAC-SHA256, which is two hashes where the key is padded already.
-- A set, so that the planner puts it in place of the call; who wants one key only says so where it is called.
create or replace function pgerase_internal.signatures(p_message bytea)
    returns table (key_id text, mac bytea)
    language sql
    stable
    parallel safe
    security invoker
begin atomic
    select
        signing_key.key_id,
        sha256(
            substr(bit_send(signing_key.masked # key_mask.outer_pad), 5)
            || sha256(substr(bit_send(signing_key.masked # key_mask.inner_pad), 5) || p_message)
        )
    from pgerase_internal.signing_key
        cross join pgerase_internal.key_mask
    where signing_key.masked is not null
        and (signing_key.valid_until is null or signing_key.valid_until > statement_timestamp());
end;

comment on function pgerase_internal.signatures(bytea) is 'Returns the HMAC-SHA256 of a message under each valid signing key.';

revoke all on function pgerase_internal.signatures(bytea) from public;
