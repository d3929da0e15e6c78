-- Subscriptions of this database with the tables they write. The connection string is a secret and never read.
select s.subname as name,
       pg_catalog.pg_get_userbyid(s.subowner) as owner,
       n.nspname as schema,
       c.relname as table
  from pg_catalog.pg_subscription as s
  join pg_catalog.pg_database as d
    on d.oid = s.subdbid
   and d.datname = pg_catalog.current_database()
  left join pg_catalog.pg_subscription_rel as t
         on t.srsubid = s.oid
  left join pg_catalog.pg_class as c
         on c.oid = t.srrelid
  left join pg_catalog.pg_namespace as n
         on n.oid = c.relnamespace
 order by s.subname collate "C", n.nspname collate "C", c.relname collate "C"
