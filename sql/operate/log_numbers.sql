-- The last number that was drawn for an entry, and the first that is there.
select
    (
        select case when sequence.is_called then sequence.last_value else 0 end
        from pgerase_log.entry_entry_id_seq as sequence
    ) as last,
    (select pg_catalog.min(entry.entry_id) from pgerase_log.entry) as first
