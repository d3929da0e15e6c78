-- Functions and procedures outside the system schemas; aggregates have no body of their own and are left out.
select p.oid,
       n.nspname as schema,
       p.proname as name,
       pg_catalog.pg_get_function_identity_arguments(p.oid) as identity,
       pg_catalog.pg_get_userbyid(p.proowner) as owner,
       l.lanname as language,
       p.prosecdef as security_definer,
       p.proleakproof as leakproof,
       p.provolatile::pg_catalog.text as volatility,
       coalesce(p.proconfig, '{}') as settings,
       pg_catalog.pg_get_functiondef(p.oid) as definition,
       p.prosqlbody is null as is_opaque,
       p.prorettype = 'pg_catalog.trigger'::pg_catalog.regtype as is_trigger,
       e.extname as extension,
       coalesce(d.description, '') as comment
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n
    on n.oid = p.pronamespace
  join pg_catalog.pg_language as l
    on l.oid = p.prolang
  left join pg_catalog.pg_depend as x
         on x.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        and x.objid = p.oid
        and x.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
        and x.deptype = 'e'
  left join pg_catalog.pg_extension as e
         on e.oid = x.refobjid
  left join pg_catalog.pg_description as d
         on d.classoid = 'pg_catalog.pg_proc'::pg_catalog.regclass
        and d.objoid = p.oid
        and d.objsubid = 0
 where p.prokind <> 'a'
   and n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
 order by n.nspname collate "C", p.proname collate "C", 4
