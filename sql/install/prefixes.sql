-- The prefixes whose ledger is in this database.
select pg_catalog.left(schema.nspname::text, - pg_catalog.length('_internal')) as prefix
from pg_catalog.pg_class as relation
    join pg_catalog.pg_namespace as schema on schema.oid = relation.relnamespace
where relation.relname = 'applied_object'
    and pg_catalog.right(schema.nspname::text, pg_catalog.length('_internal')) = '_internal'
order by prefix
