-- Publications with the tables they carry; those for all tables or a whole schema are resolved by the server.
select p.pubname as name,
       pg_catalog.pg_get_userbyid(p.pubowner) as owner,
       p.puballtables as all_tables,
       array(
           select n.nspname
             from pg_catalog.pg_publication_namespace as s
             join pg_catalog.pg_namespace as n
               on n.oid = s.pnnspid
            where s.pnpubid = p.oid
            order by n.nspname collate "C"
       ) as schemas,
       r.schemas as named_schemas,
       r.tables as named_tables,
       t.schemaname as schema,
       t.tablename as table
  from pg_catalog.pg_publication as p
 cross join lateral (
        select coalesce(pg_catalog.array_agg(n.nspname order by n.nspname collate "C", c.relname collate "C"), '{}') as schemas,
               coalesce(pg_catalog.array_agg(c.relname order by n.nspname collate "C", c.relname collate "C"), '{}') as tables
          from pg_catalog.pg_publication_rel as l
          join pg_catalog.pg_class as c
            on c.oid = l.prrelid
          join pg_catalog.pg_namespace as n
            on n.oid = c.relnamespace
         where l.prpubid = p.oid
       ) as r
  left join pg_catalog.pg_publication_tables as t
         on t.pubname = p.pubname
 order by p.pubname collate "C", t.schemaname collate "C", t.tablename collate "C"
