-- The root of the Merkle tree over the hashes of the first headers; null where there are not so many. Security definer because
-- the log is closed; operators call it.
create or replace function pgerase_log.headers_root(p_size bigint)
    returns bytea
    language sql
    stable
    parallel unsafe
    security definer
begin atomic
    select pgerase_log.root_of_leaves(
        p_hashes => pg_catalog.string_agg(segment.hash, pg_catalog.decode('', 'hex') order by segment.segment_id)
    )
    from pgerase_log.segment as segment
    where segment.segment_id between 1 and headers_root.p_size
    having pg_catalog.count(*) = headers_root.p_size;
end;

comment on function pgerase_log.headers_root(bigint) is 'The root of the Merkle tree over the hashes of the first headers.';

revoke all on function pgerase_log.headers_root(bigint) from public;
