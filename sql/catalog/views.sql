-- Views and materialized views outside the system schemas.
select c.oid,
       n.nspname as schema,
       c.relname as name,
       c.relkind::pg_catalog.text as kind,
       pg_catalog.pg_get_userbyid(c.relowner) as owner,
       pg_catalog.pg_get_viewdef(c.oid) as definition,
       coalesce(o.security_invoker, false) as security_invoker,
       coalesce(o.security_barrier, false) as security_barrier,
       e.extname as extension,
       coalesce(d.description, '') as comment
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
  left join lateral (
        select pg_catalog.bool_or(t.option_value::pg_catalog.bool)
                   filter (where t.option_name = 'security_invoker') as security_invoker,
               pg_catalog.bool_or(t.option_value::pg_catalog.bool)
                   filter (where t.option_name = 'security_barrier') as security_barrier
          from pg_catalog.pg_options_to_table(c.reloptions) as t
         where t.option_name in ('security_invoker', 'security_barrier')
       ) as o
         on true
  left join pg_catalog.pg_depend as x
         on x.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and x.objid = c.oid
        and x.objsubid = 0
        and x.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
        and x.deptype = 'e'
  left join pg_catalog.pg_extension as e
         on e.oid = x.refobjid
  left join pg_catalog.pg_description as d
         on d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.objoid = c.oid
        and d.objsubid = 0
 where c.relkind in ('v', 'm')
   and n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
 order by n.nspname collate "C", c.relname collate "C"
