-- What can be seen now: which transactions have ended, and the number below which all have.
select
    pg_catalog.pg_current_snapshot()::text as snapshot,
    pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::text::numeric as oldest
