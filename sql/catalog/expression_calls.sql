-- What expressions of a table call while its rows are written or looked for: checks (those of its columns' domains as well),
-- generated columns and defaults, indexes, statistics, partition keys, rules, triggers with their conditions, and casts of types
-- of somebody's own that columns have. By operators, too. The server's own functions are left
-- out: it does not record who depends on them.
with recursive column_types as (
    select a.attrelid as table_oid,
           a.attname as column_name,
           a.atttypid as type_oid
      from pg_catalog.pg_attribute as a
     where a.attnum > 0
       and not a.attisdropped
    union all
    select y.table_oid,
           y.column_name,
           t.typbasetype
      from column_types as y
      join pg_catalog.pg_type as t
        on t.oid = y.type_oid
       and t.typtype = 'd'
),
expressions as (
    select k.conrelid as table_oid,
           'check' as kind,
           k.conname as name,
           'pg_catalog.pg_constraint'::pg_catalog.regclass as class_oid,
           k.oid as object_oid
      from pg_catalog.pg_constraint as k
     where k.contype = 'c'
       and k.conrelid <> 0
    union all
    select y.table_oid,
           'domain',
           y.column_name,
           'pg_catalog.pg_constraint'::pg_catalog.regclass,
           k.oid
      from column_types as y
      join pg_catalog.pg_constraint as k
        on k.contypid = y.type_oid
       and k.contype = 'c'
    union all
    select f.adrelid,
           case a.attgenerated when '' then 'default' else 'generated' end,
           a.attname,
           'pg_catalog.pg_attrdef'::pg_catalog.regclass,
           f.oid
      from pg_catalog.pg_attrdef as f
      join pg_catalog.pg_attribute as a
        on a.attrelid = f.adrelid
       and a.attnum = f.adnum
    union all
    select i.indrelid,
           'index',
           x.relname,
           'pg_catalog.pg_class'::pg_catalog.regclass,
           i.indexrelid
      from pg_catalog.pg_index as i
      join pg_catalog.pg_class as x
        on x.oid = i.indexrelid
    union all
    select s.stxrelid,
           'statistics',
           s.stxname,
           'pg_catalog.pg_statistic_ext'::pg_catalog.regclass,
           s.oid
      from pg_catalog.pg_statistic_ext as s
    union all
    select w.ev_class,
           'rule',
           w.rulename,
           'pg_catalog.pg_rewrite'::pg_catalog.regclass,
           w.oid
      from pg_catalog.pg_rewrite as w
    union all
    select y.table_oid,
           'cast',
           y.column_name,
           'pg_catalog.pg_cast'::pg_catalog.regclass,
           k.oid
      from column_types as y
      join pg_catalog.pg_cast as k
        on y.type_oid in (k.castsource, k.casttarget)
     where y.type_oid >= 16384
    union all
    select p.partrelid,
           'partition key',
           c.relname,
           'pg_catalog.pg_class'::pg_catalog.regclass,
           p.partrelid
      from pg_catalog.pg_partitioned_table as p
      join pg_catalog.pg_class as c
        on c.oid = p.partrelid
    union all
    select g.tgrelid,
           'trigger',
           g.tgname,
           'pg_catalog.pg_trigger'::pg_catalog.regclass,
           g.oid
      from pg_catalog.pg_trigger as g
     where not g.tgisinternal
)
select distinct
       e.table_oid,
       e.kind,
       e.name collate "C" as name,
       coalesce(o.oprcode::pg_catalog.oid, d.refobjid) as routine_oid
  from expressions as e
  join pg_catalog.pg_depend as d
    on d.classid = e.class_oid
   and d.objid = e.object_oid
   and d.refclassid in ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass)
  left join pg_catalog.pg_operator as o
         on d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass
        and o.oid = d.refobjid
  join pg_catalog.pg_class as c
    on c.oid = e.table_oid
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'f')
   and n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
 order by 1, 2, 3, 4
