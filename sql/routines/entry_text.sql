-- The text of an entry that is hashed: one for one entry, the same under any settings. Documented byte for byte in
-- docs/seal.md.
create or replace function pgerase_log.entry_text(
    p_class text,
    p_at timestamptz,
    p_entry_id bigint,
    p_xact xid8,
    p_relation text,
    p_action text,
    p_actor text,
    p_login text,
    p_role text,
    p_request text,
    p_purpose text,
    p_grant_id bigint,
    p_key jsonb,
    p_old jsonb,
    p_new jsonb,
    p_parts smallint
)
    returns text
    language sql
    stable
    parallel safe
    security invoker
return pg_catalog.json_build_array(
    'pgerase entry 1',
    p_class,
    pg_catalog.trunc(extract(epoch from p_at) * 1000000),
    p_entry_id,
    p_xact::text,
    p_relation,
    p_action,
    p_actor,
    p_login,
    p_role,
    p_request,
    p_purpose,
    p_grant_id,
    p_key::text,
    p_old::text,
    p_new::text,
    p_parts
)::text;

comment on function pgerase_log.entry_text(text, timestamptz, bigint, xid8, text, text, text, text, text, text, text, bigint, jsonb, jsonb, jsonb, smallint) is 'The text of an entry that is hashed.';

revoke all on function
    pgerase_log.entry_text(
        text, timestamptz, bigint, xid8, text, text, text, text, text, text, text, bigint, jsonb, jsonb, jsonb, smallint
    )
    from public;
