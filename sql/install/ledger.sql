-- One row where the ledger's first table is there.
select relation.relname::text as name
from pg_catalog.pg_class as relation
    join pg_catalog.pg_namespace as schema on schema.oid = relation.relnamespace
where schema.nspname = %(schema)s
    and relation.relname = 'migration'
    and relation.relkind = 'r'
