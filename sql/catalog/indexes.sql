-- Indexes of tables and materialized views; columns as attribute numbers, 0 for an expression, INCLUDE columns after the key.
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
       pg_catalog.pg_get_indexdef(i.indexrelid) as definition
  from pg_catalog.pg_index as i
  join pg_catalog.pg_class as x
    on x.oid = i.indexrelid
  join pg_catalog.pg_am as m
    on m.oid = x.relam
  join pg_catalog.pg_class as c
    on c.oid = i.indrelid
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'm')
   and n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
 order by i.indrelid, x.relname collate "C"
