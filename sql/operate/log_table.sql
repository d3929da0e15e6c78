-- Whether there is a table of this name, with its schema or without.
select
from pg_catalog.pg_class as there
    join pg_catalog.pg_namespace as schema on schema.oid = there.relnamespace
where there.relkind in ('r', 'p', 'v', 'm', 'f')
    and %(name)s::text in (
        pg_catalog.quote_ident(there.relname),
        pg_catalog.concat(pg_catalog.quote_ident(schema.nspname), '.', pg_catalog.quote_ident(there.relname))
    )
