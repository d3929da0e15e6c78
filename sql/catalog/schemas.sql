-- Schemas outside the system's, with the extension that owns each, if any.
select n.oid,
       n.nspname as name,
       pg_catalog.pg_get_userbyid(n.nspowner) as owner,
       e.extname as extension,
       coalesce(d.description, '') as comment
  from pg_catalog.pg_namespace as n
  left join pg_catalog.pg_depend as x
         on x.classid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
        and x.objid = n.oid
        and x.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
        and x.deptype = 'e'
  left join pg_catalog.pg_extension as e
         on e.oid = x.refobjid
  left join pg_catalog.pg_description as d
         on d.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
        and d.objoid = n.oid
        and d.objsubid = 0
 where n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
 order by n.nspname collate "C"
