-- Foreign keys as declared. A key towards a partitioned table has further rows, one a partition of the target: those are the
-- server's own bookkeeping and left out; the copies on partitions of the referencing table are real and stay.
select k.conrelid as table_oid,
       k.conname as name,
       k.conkey::pg_catalog.int4[] as positions,
       k.confrelid as target_oid,
       k.confkey::pg_catalog.int4[] as target_positions,
       k.confupdtype::pg_catalog.text as on_update,
       k.confdeltype::pg_catalog.text as on_delete,
       coalesce(k.confdelsetcols, '{}')::pg_catalog.int4[] as set_positions,
       k.confmatchtype::pg_catalog.text as match,
       k.condeferrable as deferrable,
       k.condeferred as deferred,
       k.convalidated as validated
  from pg_catalog.pg_constraint as k
  join pg_catalog.pg_class as c
    on c.oid = k.conrelid
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
  left join pg_catalog.pg_constraint as up
         on up.oid = k.conparentid
 where k.contype = 'f'
   and up.conrelid is distinct from k.conrelid
   and n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
 order by k.conrelid, k.conname collate "C"
