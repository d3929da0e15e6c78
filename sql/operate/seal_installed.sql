-- One row where the log can be sealed: whether the current role may do it, and look at what was sealed.
select
    pg_catalog.has_schema_privilege(current_user, schema.oid, 'usage')
    and pg_catalog.has_function_privilege(current_user, routine.oid, 'execute') as allowed
from pg_catalog.pg_proc as routine
    join pg_catalog.pg_namespace as schema on schema.oid = routine.pronamespace
where schema.nspname = 'pgerase_log'
    and routine.proname = 'seal'
