-- The commitment to a value: it stays when the value and its salt are erased, and then tells nothing.
create or replace function pgerase_log.commitment(p_text text, p_salt bytea)
    returns bytea
    language sql
    stable
    parallel safe
    security invoker
return pg_catalog.sha256(p_salt || pg_catalog.convert_to(p_text, 'UTF8'));

comment on function pgerase_log.commitment(text, bytea) is 'The salted hash of a value.';

revoke all on function pgerase_log.commitment(text, bytea) from public;
