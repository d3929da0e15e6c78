-- What routines with an SQL-standard body name: the server records it for those alone, all other bodies are opaque text.
select distinct
       d.objid as routine_oid,
       case d.refclassid
           when 'pg_catalog.pg_class'::pg_catalog.regclass then 'relation'
           else 'routine'
       end as kind,
       d.refobjid as target_oid
  from pg_catalog.pg_depend as d
  join pg_catalog.pg_proc as p
    on p.oid = d.objid
   and p.prosqlbody is not null
 where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
   and d.deptype = 'n'
   and d.refclassid in ('pg_catalog.pg_class'::pg_catalog.regclass, 'pg_catalog.pg_proc'::pg_catalog.regclass)
 order by 1, 2, 3
