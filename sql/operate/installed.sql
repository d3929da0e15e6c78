-- One row where the routines that erase are installed: whether the current role may call them, and look into the ledger.
select
    pg_catalog.has_schema_privilege(current_user, schema.oid, 'usage')
    and pg_catalog.has_function_privilege(current_user, routine.oid, 'execute') as allowed
from pg_catalog.pg_proc as routine
    join pg_catalog.pg_namespace as schema on schema.oid = routine.pronamespace
where schema.nspname = 'pgerase_internal'
    and routine.proname = 'erase_people'
