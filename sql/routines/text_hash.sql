-- The hash of a leaf (RFC 6962): a byte 0, the salt, the text, commitments. Salts and commitments are of 32 bytes each, and the
-- text is a JSON array, which ends where it ends: nothing can be shifted from one to the next.
create or replace function pgerase_log.text_hash(p_text text, p_salt bytea default '', p_commitments bytea default '')
    returns bytea
    language sql
    stable
    parallel safe
    security invoker
return pg_catalog.sha256(
    pg_catalog.decode('00', 'hex') || p_salt || pg_catalog.convert_to(p_text, 'UTF8') || p_commitments
);

comment on function pgerase_log.text_hash(text, bytea, bytea) is 'The hash of a leaf: of a salted text and of the commitments to what is apart.';

revoke all on function pgerase_log.text_hash(text, bytea, bytea) from public;
