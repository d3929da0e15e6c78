-- Direct parents of every table, by partitioning or by legacy inheritance.
select i.inhrelid as child,
       i.inhparent as parent
  from pg_catalog.pg_inherits as i
  join pg_catalog.pg_class as c
    on c.oid = i.inhrelid
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'f')
   and n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
 order by i.inhrelid, i.inhseqno
