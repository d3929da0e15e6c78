-- One row where the log and its retention are installed: whether the current role may run it, whether the seal is there, and the
-- server's clock.
select
    pg_catalog.has_schema_privilege(current_user, schema.oid, 'usage')
    and pg_catalog.has_function_privilege(current_user, routine.oid, 'execute') as allowed,
    exists (
        select
        from pg_catalog.pg_proc as hook
        where hook.pronamespace = schema.oid
            and hook.proname = 'seal'
            and hook.proargtypes[0] = 'timestamptz'::regtype
    ) as sealed,
    pg_catalog.clock_timestamp() as now
from pg_catalog.pg_proc as routine
    join pg_catalog.pg_namespace as schema on schema.oid = routine.pronamespace
where schema.nspname = 'pgerase_log'
    and routine.proname = 'begin_run'
