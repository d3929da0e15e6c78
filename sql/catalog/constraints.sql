-- Primary key, unique, check, exclusion and (from 18) not-null constraints; columns as attribute numbers, 0 for an expression.
select k.conrelid as table_oid,
       k.conname as name,
       k.contype::pg_catalog.text as kind,
       coalesce(k.conkey::pg_catalog.int4[], '{}') as positions,
       pg_catalog.pg_get_constraintdef(k.oid) as definition
  from pg_catalog.pg_constraint as k
  join pg_catalog.pg_class as c
    on c.oid = k.conrelid
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
 where k.contype in ('p', 'u', 'c', 'x', 'n')
   and c.relkind in ('r', 'p', 'f')
   and n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
 order by k.conrelid, k.conname collate "C"
