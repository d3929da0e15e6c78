-- The first and the last number of whatever is exported.
select
    (select pg_catalog.min(record.record_id) from pgerase_log.record as record) as first_record,
    (select pg_catalog.max(record.record_id) from pgerase_log.record as record) as last_record,
    least(
        (select pg_catalog.min(entry.entry_id) from pgerase_log.entry as entry),
        (select pg_catalog.min(leaf.entry_id) from pgerase_log.leaf as leaf)
    ) as first_entry,
    greatest(
        (select pg_catalog.max(entry.entry_id) from pgerase_log.entry as entry),
        (select pg_catalog.max(leaf.entry_id) from pgerase_log.leaf as leaf)
    ) as last_entry,
    (select pg_catalog.min(held.entry_id) from pgerase_log.held as held) as first_held,
    (select pg_catalog.max(held.entry_id) from pgerase_log.held as held) as last_held,
    pg_catalog.clock_timestamp() as now
