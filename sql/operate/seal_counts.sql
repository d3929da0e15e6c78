-- How many entries there are, and how many of them are not sealed, since when.
select
    (select pg_catalog.count(*) from pgerase_log.entry as entry) as entries,
    unsealed.entries as unsealed,
    unsealed.oldest,
    pg_catalog.clock_timestamp() as now
from (
    select pg_catalog.count(*) as entries, pg_catalog.min(entry.at) as oldest
    from pgerase_log.entry as entry
    where not exists (
        select
        from pgerase_log.leaf as leaf
        where leaf.class = entry.class
            and leaf.at = entry.at
            and leaf.entry_id = entry.entry_id
    )
) as unsealed
