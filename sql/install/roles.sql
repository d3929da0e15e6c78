-- The roles of these names, wherever in the cluster they came from. `powers` are attributes pgerase never gives.
select
    role.rolname::text as name,
    pg_catalog.shobj_description(role.oid, 'pg_authid') as comment,
    array(
        select power.name
        from (
            values
                ('login', role.rolcanlogin),
                ('superuser', role.rolsuper),
                ('bypassrls', role.rolbypassrls),
                ('createrole', role.rolcreaterole),
                ('createdb', role.rolcreatedb),
                ('replication', role.rolreplication)
        ) as power (name, has)
        where power.has
    )::text[] as powers
from pg_catalog.pg_roles as role
where role.rolname = any (%(names)s)
order by 1
