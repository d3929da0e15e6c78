-- How many entries there are, and how many of them are not sealed, since when; and what is dated latest, within what every client
-- can read as a time.
select
    every.entries,
    every.last as last_entry,
    (
        select pg_catalog.max(greatest(least(record.at, timestamptz '9999-01-01 00:00Z'), timestamptz '0002-01-01 00:00Z'))
        from pgerase_log.record as record
    ) as last_record,
    unsealed.entries as unsealed,
    unsealed.oldest,
    pg_catalog.clock_timestamp() as now
from (
    select pg_catalog.count(*) as entries, pg_catalog.min(entry.at) as oldest
    from pgerase_log.entry as entry
    where not exists (
        select
        from pgerase_log.leaf as leaf
        where leaf.entry_id = entry.entry_id
            and (leaf.class = entry.class and leaf.at = entry.at) is true
    )
) as unsealed
    cross join (
        select pg_catalog.count(*) as entries, pg_catalog.max(least(entry.at, timestamptz '9999-01-01 00:00Z')) as last
        from pgerase_log.entry as entry
    ) as every
