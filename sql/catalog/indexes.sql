-- Indexes of tables and materialized views; columns as attribute numbers, 0 for an expression, INCLUDE columns after the key.
-- Leaky keys are those with operators, between two values of the key's own type, that are not LEAKPROOF, and every expression:
-- hardly a function is.
select i.indrelid as table_oid,
       x.relname as name,
       pg_catalog.string_to_array(i.indkey::pg_catalog.text, ' ')::pg_catalog.int4[] as positions,
       i.indnkeyatts as key_count,
       i.indisunique as unique,
       i.indisprimary as primary,
       (i.indisvalid and i.indisready and i.indislive) as valid,
       i.indpred is not null as partial,
       m.amname as method,
       i.indnullsnotdistinct as nulls_not_distinct,
       pg_catalog.pg_get_indexdef(i.indexrelid) as definition,
       k.keys as leaky_keys,
       k.types as leaky_types,
       k.operators as leaky_operators
  from pg_catalog.pg_index as i
  join pg_catalog.pg_class as x
    on x.oid = i.indexrelid
  join pg_catalog.pg_am as m
    on m.oid = x.relam
  join pg_catalog.pg_class as c
    on c.oid = i.indrelid
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
 cross join lateral (
        select coalesce(pg_catalog.array_agg(e.spelling order by e.place), '{}') as keys,
               coalesce(pg_catalog.array_agg(e.type order by e.place), '{}') as types,
               coalesce(pg_catalog.array_agg(e.operators order by e.place), '{}') as operators
          from (
                select u.place,
                       pg_catalog.pg_get_indexdef(i.indexrelid, u.place::pg_catalog.int4, true) as spelling,
                       pg_catalog.format_type(coalesce(b.atttypid, t.atttypid), -1) as type,
                       coalesce(
                           pg_catalog.string_agg(distinct o.oprname::pg_catalog.text, ' ') filter (where u.attnum <> 0), ''
                       ) as operators,
                       u.attnum = 0 or pg_catalog.count(o.oid) > 0 as leaky
                  from rows from (
                           pg_catalog.unnest(i.indkey::pg_catalog.int2[]), pg_catalog.unnest(i.indclass::pg_catalog.oid[])
                       ) with ordinality as u (attnum, opclass, place)
                  join pg_catalog.pg_attribute as t
                    on t.attrelid = i.indexrelid
                   and t.attnum = u.place
                  left join pg_catalog.pg_attribute as b
                         on b.attrelid = i.indrelid
                        and b.attnum = u.attnum
                  join pg_catalog.pg_opclass as oc
                    on oc.oid = u.opclass
                  left join (
                        pg_catalog.pg_amop as a
                        join pg_catalog.pg_operator as o
                          on o.oid = a.amopopr
                        join pg_catalog.pg_proc as p
                          on p.oid = o.oprcode
                         and not p.proleakproof
                       )
                         on a.amopfamily = oc.opcfamily
                        and a.amoppurpose = 's'
                        and a.amoplefttype = oc.opcintype
                        and (m.amname not in ('btree', 'hash') or a.amoprighttype = oc.opcintype)
                 where u.place <= i.indnkeyatts
                 group by u.place, u.attnum, t.atttypid, b.atttypid
               ) as e
         where e.leaky
       ) as k
 where c.relkind in ('r', 'p', 'm')
   and n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
 order by i.indrelid, x.relname collate "C"
