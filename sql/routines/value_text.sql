-- The text of a value that is hashed. Values of JSON are in it as text, so that no value and a JSON null differ.
create or replace function pgerase_log.value_text(
    p_class text,
    p_at timestamptz,
    p_entry_id bigint,
    p_part smallint,
    p_subject text,
    p_person text,
    p_old jsonb,
    p_new jsonb
)
    returns text
    language sql
    stable
    parallel safe
    security invoker
return pg_catalog.json_build_array(
    'pgerase value 1',
    p_class,
    pg_catalog.trunc(extract(epoch from p_at) * 1000000),
    p_entry_id,
    p_part,
    p_subject,
    p_person,
    p_old::text,
    p_new::text
)::text;

comment on function pgerase_log.value_text(text, timestamptz, bigint, smallint, text, text, jsonb, jsonb) is 'The text of a value that is hashed.';

revoke all on function pgerase_log.value_text(text, timestamptz, bigint, smallint, text, text, jsonb, jsonb) from public;
