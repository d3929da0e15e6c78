-- Extended statistics of the tables in a schema: their expressions are evaluated with the owner's rights when the table is
-- analyzed.
select
    relation.relname::text as relation,
    home.nspname::text as schema,
    statistic.stxname::text as name
from pg_catalog.pg_statistic_ext as statistic
    join pg_catalog.pg_namespace as home on home.oid = statistic.stxnamespace
    join pg_catalog.pg_class as relation on relation.oid = statistic.stxrelid
    join pg_catalog.pg_namespace as schema on schema.oid = relation.relnamespace
where schema.nspname = %(schema)s
order by 1, 2, 3
