-- The schemas of these names, and those whose names differ from the prefix in case only: settings ignore case.
select
    schema.nspname::text as name,
    owner.rolname::text as owner,
    pg_catalog.obj_description(schema.oid, 'pg_namespace') as comment
from pg_catalog.pg_namespace as schema
    join pg_catalog.pg_roles as owner on owner.oid = schema.nspowner
where schema.nspname = any (%(names)s)
    or pg_catalog.lower(schema.nspname) = pg_catalog.lower(%(prefix)s)
order by 1
