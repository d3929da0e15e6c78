-- What the rewrite rules of views (and of tables that have rules) name directly: relations and routines, by oid.
select distinct
       w.ev_class as relation_oid,
       case d.refclassid
           when 'pg_catalog.pg_class'::pg_catalog.regclass then 'relation'
           else 'routine'
       end as kind,
       d.refobjid as target_oid
  from pg_catalog.pg_rewrite as w
  join pg_catalog.pg_class as c
    on c.oid = w.ev_class
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
  join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
   and d.objid = w.oid
   and d.deptype = 'n'
   and d.refclassid in ('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass)
 where n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
 order by 1, 2, 3
