-- When the log was last sealed and signed, as it says itself, and since when there is something that is not. Up to the floor all
-- is sealed for good: only entries above it are looked at. Times are within what every client can read as one.
select
    (
        select pg_catalog.max(greatest(least(header.at, timestamptz '9999-01-01 00:00Z'), timestamptz '0002-01-01 00:00Z'))
        from pgerase_log.segment as header
    ) as sealed_at,
    (
        select pg_catalog.max(greatest(least(signed.at, timestamptz '9999-01-01 00:00Z'), timestamptz '0002-01-01 00:00Z'))
        from pgerase_log.checkpoint as signed
    ) as signed_at,
    unsealed.entries as unsealed,
    unsealed.oldest as unsealed_since,
    (
        select pg_catalog.min(greatest(least(header.at, timestamptz '9999-01-01 00:00Z'), timestamptz '0002-01-01 00:00Z'))
        from pgerase_log.segment as header
        where header.segment_id > coalesce(
            (select pg_catalog.max(signed.size) from pgerase_log.checkpoint as signed),
            0
        )
    ) as unsigned_since
from (
    select
        pg_catalog.count(*) as entries,
        pg_catalog.min(greatest(least(entry.at, timestamptz '9999-01-01 00:00Z'), timestamptz '0002-01-01 00:00Z')) as oldest
    from pgerase_log.entry as entry
    where entry.entry_id > coalesce(
            (
                select header.floor
                from pgerase_log.segment as header
                order by header.segment_id desc
                limit 1
            ),
            0
        )
        and not exists (
            select
            from pgerase_log.leaf as leaf
            where leaf.entry_id = entry.entry_id
                and (leaf.class = entry.class and leaf.at = entry.at) is true
        )
) as unsealed
