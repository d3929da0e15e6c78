-- The text behind a part of a token: base64 with an alphabet for addresses and without filling (RFC 7515).
-- It is only asked about what carries a valid signature, so anything that cannot be decoded is an error of the signer.
create or replace function pgerase_internal.from_base64url(p_text text)
    returns text
    language sql
    immutable
    parallel safe
    security invoker
    return convert_from(
        decode(rpad(translate(p_text, '-_', '+/'), (length(p_text) + 3) / 4 * 4, '='), 'base64'),
        'UTF8'
    );

comment on function pgerase_internal.from_base64url(text) is 'Decodes base64url to text.';

revoke all on function pgerase_internal.from_base64url(text) from public;
