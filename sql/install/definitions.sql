-- The routines of a schema, or with a null schema those that this session made for itself, as the server spells them; without
-- what tells one schema from another.
select
    routine.proname::text as name,
    pg_catalog.substr(definition.text, pg_catalog.strpos(definition.text, '(')) as definition,
    pg_catalog.pg_get_userbyid(routine.proowner)::text as owner
from pg_catalog.pg_proc as routine
    join pg_catalog.pg_namespace as schema on schema.oid = routine.pronamespace
    cross join lateral pg_catalog.pg_get_functiondef(routine.oid) as definition (text)
where routine.prokind in ('f', 'p')
    and case
        when %(schema)s::text is null then schema.oid = pg_catalog.pg_my_temp_schema()
        else schema.nspname = %(schema)s::text
    end
order by 1, 2
