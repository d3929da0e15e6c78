-- One row where the log is there and the current role may read it.
select entry.oid
from pg_catalog.pg_class as entry
    join pg_catalog.pg_namespace as schema on schema.oid = entry.relnamespace
    join pg_catalog.pg_class as value on value.relnamespace = schema.oid
where schema.nspname = 'pgerase_log'
    and entry.relname = 'entry'
    and value.relname = 'value'
    and pg_catalog.has_schema_privilege(current_user, schema.oid, 'usage')
    and pg_catalog.has_table_privilege(current_user, entry.oid, 'select')
    and pg_catalog.has_table_privilege(current_user, value.oid, 'select')
