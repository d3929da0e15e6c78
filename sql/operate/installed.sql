-- One row where this routine is installed: whether the current role may call it, and the server's clock.
select
    pg_catalog.has_schema_privilege(current_user, schema.oid, 'usage')
    and pg_catalog.has_function_privilege(current_user, routine.oid, 'execute') as allowed,
    pg_catalog.clock_timestamp() as now
from pg_catalog.pg_proc as routine
    join pg_catalog.pg_namespace as schema on schema.oid = routine.pronamespace
where schema.nspname = %(schema)s
    and routine.proname = %(routine)s
