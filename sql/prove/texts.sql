-- Identifiers in what users wrote into the catalog: comments, code, constraints, bounds, defaults, labels, options and names.
with written as (
    select 'comment on ' || pg_catalog.pg_describe_object(d.classoid, d.objoid, d.objsubid) as object,
           d.description as text
      from pg_catalog.pg_description as d
     where d.objoid >= 16384
    union all
    select 'comment on ' || pg_catalog.pg_describe_object(d.classoid, d.objoid, 0),
           d.description
      from pg_catalog.pg_shdescription as d
    union all
    select pg_catalog.pg_describe_object('pg_catalog.pg_constraint'::pg_catalog.regclass, c.oid, 0),
           pg_catalog.pg_get_constraintdef(c.oid)
      from pg_catalog.pg_constraint as c
     where c.oid >= 16384
    union all
    select pg_catalog.pg_describe_object('pg_catalog.pg_attrdef'::pg_catalog.regclass, d.oid, 0),
           pg_catalog.pg_get_expr(d.adbin, d.adrelid)
      from pg_catalog.pg_attrdef as d
    union all
    select 'partition bound of ' || c.oid::pg_catalog.regclass,
           pg_catalog.pg_get_expr(c.relpartbound, c.oid)
      from pg_catalog.pg_class as c
     where c.relispartition
    union all
    select 'default of type ' || pg_catalog.format_type(t.oid, null),
           t.typdefault
      from pg_catalog.pg_type as t
     where t.oid >= 16384
    union all
    select 'label of type ' || pg_catalog.format_type(e.enumtypid, null),
           e.enumlabel
      from pg_catalog.pg_enum as e
    union all
    select 'definition of ' || c.oid::pg_catalog.regclass,
           pg_catalog.pg_get_viewdef(c.oid)
      from pg_catalog.pg_class as c
     where c.relkind in ('v', 'm')
       and c.oid >= 16384
    union all
    select pg_catalog.pg_describe_object('pg_catalog.pg_rewrite'::pg_catalog.regclass, r.oid, 0),
           pg_catalog.pg_get_ruledef(r.oid)
      from pg_catalog.pg_rewrite as r
     where r.rulename <> '_RETURN'
       and r.oid >= 16384
    union all
    select pg_catalog.pg_describe_object('pg_catalog.pg_policy'::pg_catalog.regclass, p.oid, 0),
           pg_catalog.concat_ws(
               E'\x01', pg_catalog.pg_get_expr(p.polqual, p.polrelid), pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
           )
      from pg_catalog.pg_policy as p
    union all
    select pg_catalog.pg_describe_object('pg_catalog.pg_proc'::pg_catalog.regclass, p.oid, 0),
           pg_catalog.concat_ws(
               E'\x01',
               pg_catalog.pg_get_function_arguments(p.oid),
               p.prosrc,
               pg_catalog.pg_get_function_sqlbody(p.oid),
               p.proconfig
           )
      from pg_catalog.pg_proc as p
     where p.oid >= 16384
    union all
    select pg_catalog.pg_describe_object('pg_catalog.pg_trigger'::pg_catalog.regclass, t.oid, 0),
           pg_catalog.pg_get_triggerdef(t.oid)
      from pg_catalog.pg_trigger as t
     where not t.tgisinternal
    union all
    select 'definition of index ' || i.indexrelid::pg_catalog.regclass,
           pg_catalog.pg_get_indexdef(i.indexrelid)
      from pg_catalog.pg_index as i
     where i.indexrelid >= 16384
       and (i.indexprs is not null or i.indpred is not null)
    union all
    select pg_catalog.pg_describe_object('pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid, 0),
           pg_catalog.pg_get_statisticsobjdef(s.oid)
      from pg_catalog.pg_statistic_ext as s
    union all
    select 'row filter of ' || r.prrelid::pg_catalog.regclass || ' in a publication',
           pg_catalog.pg_get_expr(r.prqual, r.prrelid)
      from pg_catalog.pg_publication_rel as r
    union all
    select 'settings of a role or database',
           pg_catalog.concat(s.setconfig)
      from pg_catalog.pg_db_role_setting as s
     where s.setdatabase in (0, (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database()))
    union all
    select 'options of ' || pg_catalog.pg_describe_object('pg_catalog.pg_foreign_server'::pg_catalog.regclass, f.oid, 0),
           pg_catalog.concat(f.srvoptions)
      from pg_catalog.pg_foreign_server as f
    union all
    select 'options of ' || f.ftrelid::pg_catalog.regclass,
           pg_catalog.concat(f.ftoptions)
      from pg_catalog.pg_foreign_table as f
    union all
    select 'options of a user mapping of server ' || m.srvname,
           pg_catalog.concat(m.umoptions)
      from pg_catalog.pg_user_mappings as m
    union all
    select 'security label on ' || pg_catalog.pg_describe_object(l.classoid, l.objoid, l.objsubid),
           l.label
      from pg_catalog.pg_seclabel as l
    -- Names last, and without saying them.
    union all
    select 'name of a relation, oid ' || c.oid,
           c.relname
      from pg_catalog.pg_class as c
     where c.oid >= 16384
       and c.relpersistence <> 't'
    union all
    select 'name of column ' || a.attnum || ' of a relation, oid ' || a.attrelid,
           a.attname
      from pg_catalog.pg_attribute as a
     where a.attrelid >= 16384
       and a.attnum > 0
       and not a.attisdropped
       and a.attrelid not in ('pg_temp.pgerase_needle'::pg_catalog.regclass, 'pg_temp.pgerase_key'::pg_catalog.regclass)
    union all
    select 'name of a schema, oid ' || n.oid,
           n.nspname
      from pg_catalog.pg_namespace as n
     where n.oid >= 16384
    union all
    select 'name of a routine, oid ' || p.oid,
           p.proname
      from pg_catalog.pg_proc as p
     where p.oid >= 16384
    union all
    select 'name of a constraint, oid ' || c.oid,
           c.conname
      from pg_catalog.pg_constraint as c
     where c.oid >= 16384
    union all
    select 'name of a role, oid ' || r.oid,
           r.rolname
      from pg_catalog.pg_roles as r
     where r.oid >= 16384
)
select w.object,
       n.ordinal,
       pg_catalog.count(*) as rows
  from written as w
  join pg_temp.pgerase_needle as n
    on case
           when pg_catalog.strpos(pg_catalog.lower(w.text collate pg_catalog."C"), n.fragment) > 0
               then (w.text collate pg_catalog."C") operator(pg_catalog.~) n.pattern
           else false
       end
 group by w.object, n.ordinal
 order by w.object collate "C", n.ordinal
