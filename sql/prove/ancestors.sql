-- For every partition, the partitioned tables it can be read through, nearest first.
select c.oid,
       p.relid::pg_catalog.oid as ancestor
  from pg_catalog.pg_class as c
 cross join lateral pg_catalog.pg_partition_ancestors(c.oid) with ordinality as p (relid, distance)
 where c.relispartition
   and c.relkind in ('r', 'f')
   and p.relid <> c.oid
 order by c.oid, p.distance
