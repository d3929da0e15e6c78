-- A transaction's number that is greater than all that were given so far; none on a standby, which gives none.
select
    case when not pg_catalog.pg_is_in_recovery() then pg_catalog.pg_current_xact_id()::text::numeric end as mark,
    pg_catalog.clock_timestamp() as now
