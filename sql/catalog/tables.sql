-- What holds rows outside the system schemas: tables, partitioned tables, foreign tables and materialized views (temporary
-- tables lie in pg_temp and are left out).
select c.oid,
       n.nspname as schema,
       c.relname as name,
       c.relkind::pg_catalog.text as kind,
       pg_catalog.pg_get_userbyid(c.relowner) as owner,
       c.relpersistence::pg_catalog.text as persistence,
       c.relrowsecurity as rls_enabled,
       c.relforcerowsecurity as rls_forced,
       c.relispartition as is_partition,
       c.reltuples as estimated_rows,
       array(
           select w.rulename
             from pg_catalog.pg_rewrite as w
            where w.ev_class = c.oid
              and w.rulename <> '_RETURN'
            order by w.rulename collate "C"
       ) as rules,
       e.extname as extension,
       coalesce(d.description, '') as comment
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
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
 where c.relkind in ('r', 'p', 'f', 'm')
   and n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
 order by n.nspname collate "C", c.relname collate "C"
