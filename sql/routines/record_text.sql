-- The text of a record that is hashed. In which segment it was sealed is not in it: that is known later.
create or replace function pgerase_log.record_text(p_record_id bigint, p_at timestamptz, p_kind text, p_body jsonb)
    returns text
    language sql
    stable
    parallel safe
    security invoker
return pg_catalog.json_build_array(
    'pgerase record 1',
    p_record_id,
    pg_catalog.trunc(extract(epoch from p_at) * 1000000),
    p_kind,
    p_body::text
)::text;

comment on function pgerase_log.record_text(bigint, timestamptz, text, jsonb) is 'The text of a record that is hashed.';

revoke all on function pgerase_log.record_text(bigint, timestamptz, text, jsonb) from public;
