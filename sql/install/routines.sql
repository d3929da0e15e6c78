-- The routines in a schema as the server sees them: definition, owner, privileges, comment. `grantees` are roles other
-- than the owner, PUBLIC as an empty name.
select
    routine.proname::text as name,
    pg_catalog.pg_get_function_identity_arguments(routine.oid) as arguments,
    pg_catalog.concat_ws(
        E'\n',
        pg_catalog.pg_get_functiondef(routine.oid),
        'owner ' || owner.rolname,
        'privileges ' || coalesce(
            (
                select pg_catalog.string_agg(item::text, ' ' order by item::text)
                from pg_catalog.unnest(routine.proacl) as item
            ),
            'default'
        ),
        pg_catalog.obj_description(routine.oid, 'pg_proc')
    ) as deparsed,
    array(
        select distinct coalesce(grantee.rolname, '')::text
        from pg_catalog.aclexplode(routine.proacl) as item
            left join pg_catalog.pg_roles as grantee on grantee.oid = item.grantee
        where item.grantee <> routine.proowner
        order by 1
    ) as grantees
from pg_catalog.pg_proc as routine
    join pg_catalog.pg_namespace as schema on schema.oid = routine.pronamespace
    join pg_catalog.pg_roles as owner on owner.oid = routine.proowner
where schema.nspname = %(schema)s
    and routine.prokind = 'f'
order by 1, 2
