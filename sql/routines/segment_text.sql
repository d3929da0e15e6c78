-- The text of a header that is hashed, which holds the hash of the one before.
create or replace function pgerase_log.segment_text(
    p_segment_id bigint,
    p_kind text,
    p_class text,
    p_from_at timestamptz,
    p_to_at timestamptz,
    p_entries integer,
    p_first_id bigint,
    p_last_id bigint,
    p_sequence bigint,
    p_floor bigint,
    p_oldest xid8,
    p_newest xid8,
    p_at timestamptz,
    p_previous bytea,
    p_root bytea
)
    returns text
    language sql
    stable
    parallel safe
    security invoker
return pg_catalog.json_build_array(
    'pgerase segment 1',
    p_segment_id,
    p_kind,
    p_class,
    pg_catalog.trunc(extract(epoch from p_from_at) * 1000000),
    pg_catalog.trunc(extract(epoch from p_to_at) * 1000000),
    p_entries,
    p_first_id,
    p_last_id,
    p_sequence,
    p_floor,
    p_oldest::text,
    p_newest::text,
    pg_catalog.trunc(extract(epoch from p_at) * 1000000),
    pg_catalog.encode(p_previous, 'hex'),
    pg_catalog.encode(p_root, 'hex')
)::text;

comment on function pgerase_log.segment_text(bigint, text, text, timestamptz, timestamptz, integer, bigint, bigint, bigint, bigint, xid8, xid8, timestamptz, bytea, bytea) is 'The text of a header that is hashed.';

revoke all on function
    pgerase_log.segment_text(
        bigint, text, text, timestamptz, timestamptz, integer, bigint, bigint, bigint, bigint, xid8, xid8, timestamptz, bytea,
        bytea
    )
    from public;
