-- Privileges given by name to these roles on these schemas and on what is in them; inherited ones do not count.
select
    schema.nspname::text as schema,
    null::text as relation,
    item.privilege_type as privilege,
    grantee.rolname::text as grantee
from pg_catalog.pg_namespace as schema
    cross join pg_catalog.aclexplode(schema.nspacl) as item
    join pg_catalog.pg_roles as grantee on grantee.oid = item.grantee
where schema.nspname = any (%(names)s)
    and grantee.rolname = any (%(grantees)s)
union all
select
    schema.nspname::text,
    relation.relname::text,
    item.privilege_type,
    grantee.rolname::text
from pg_catalog.pg_class as relation
    join pg_catalog.pg_namespace as schema on schema.oid = relation.relnamespace
    cross join pg_catalog.aclexplode(relation.relacl) as item
    join pg_catalog.pg_roles as grantee on grantee.oid = item.grantee
where schema.nspname = any (%(names)s)
    and grantee.rolname = any (%(grantees)s)
order by 1, 2, 3, 4
