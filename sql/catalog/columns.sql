-- Live columns. Domains are resolved to their base type; a column whose order cannot depend on a locale counts as C.
with recursive base_types as (
    select t.oid as type_oid,
           t.oid as base_oid
      from pg_catalog.pg_type as t
     where t.typtype <> 'd'
    union all
    select t.oid,
           b.base_oid
      from pg_catalog.pg_type as t
      join base_types as b
        on b.type_oid = t.typbasetype
     where t.typtype = 'd'
),
database_locale as (
    -- The columns differ between server versions, which to_jsonb does not mind.
    select case pg_catalog.to_jsonb(d) ->> 'datlocprovider'
               when 'c' then d.datcollate in ('C', 'POSIX')
               when 'b' then true
               else false
           end as is_c
      from pg_catalog.pg_database as d
     where d.datname = pg_catalog.current_database()
)
select c.oid as table_oid,
       a.atttypid as type_oid,
       a.attname as name,
       a.attnum as position,
       pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
       pg_catalog.format_type(b.base_oid, null) as base_type,
       pg_catalog.format_type(eb.base_oid, null) as element_type,
       t.typtype::pg_catalog.text as type_kind,
       a.attnotnull as not_null,
       -- A constraint that is NOT VALID binds new rows alone, that of a foreign table nobody, and children may do without.
       a.attnotnull
           and (c.relkind = 'f'
                or exists (
                    select
                      from pg_catalog.pg_inherits as h
                      join pg_catalog.pg_attribute as b
                        on b.attrelid = h.inhrelid
                       and b.attname = a.attname
                      join pg_catalog.pg_class as k
                        on k.oid = h.inhrelid
                     where h.inhparent = c.oid
                       and (not b.attnotnull or k.relkind in ('f', 'p') or k.relhassubclass)
                )
                or exists (
                    select
                      from pg_catalog.pg_constraint as k
                     where k.conrelid = c.oid
                       and k.contype = 'n'
                       and k.conkey = array[a.attnum]
                       and not k.convalidated
                )) as may_hold_null,
       pg_catalog.pg_get_expr(f.adbin, f.adrelid) as default,
       a.attidentity::pg_catalog.text as identity,
       a.attgenerated::pg_catalog.text as generated,
       case
           when l.oid is null then null
           when ln.nspname = 'pg_catalog' then l.collname::pg_catalog.text
           else ln.nspname || '.' || l.collname
       end as collation,
       case
           when l.oid is null then true
           when l.collprovider = 'd' then (select dl.is_c from database_locale as dl)
           when l.collprovider = 'c' then l.collcollate in ('C', 'POSIX')
           else l.collprovider = 'b'
       end as collation_is_c,
       coalesce(l.collisdeterministic, true) as collation_deterministic
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
  join pg_catalog.pg_attribute as a
    on a.attrelid = c.oid
   and a.attnum > 0
   and not a.attisdropped
  join base_types as b
    on b.type_oid = a.atttypid
  join pg_catalog.pg_type as t
    on t.oid = b.base_oid
  left join pg_catalog.pg_type as et
         on et.oid = t.typelem
        and et.typarray = t.oid
  left join base_types as eb
         on eb.type_oid = et.oid
  left join pg_catalog.pg_attrdef as f
         on f.adrelid = a.attrelid
        and f.adnum = a.attnum
  left join pg_catalog.pg_collation as l
         on l.oid = a.attcollation
  left join pg_catalog.pg_namespace as ln
         on ln.oid = l.collnamespace
 where c.relkind in ('r', 'p', 'f', 'm')
   and n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
 order by c.oid, a.attnum
