-- User triggers of tables with what they run; the internal ones behind constraints are left out.
select g.tgrelid as table_oid,
       g.tgname as name,
       pg_catalog.pg_get_triggerdef(g.oid) as definition,
       g.tgenabled::pg_catalog.text as enabled,
       pn.nspname as function_schema,
       p.proname as function_name,
       pg_catalog.pg_get_userbyid(p.proowner) as function_owner,
       p.prosecdef as security_definer,
       coalesce(d.description, '') as comment
  from pg_catalog.pg_trigger as g
  join pg_catalog.pg_class as c
    on c.oid = g.tgrelid
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
  join pg_catalog.pg_proc as p
    on p.oid = g.tgfoid
  join pg_catalog.pg_namespace as pn
    on pn.oid = p.pronamespace
  left join pg_catalog.pg_description as d
         on d.classoid = 'pg_catalog.pg_trigger'::pg_catalog.regclass
        and d.objoid = g.oid
        and d.objsubid = 0
 where not g.tgisinternal
   and n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
 order by g.tgrelid, g.tgname collate "C"
