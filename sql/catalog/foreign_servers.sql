-- Foreign tables with their servers, one row a user mapping of the server; without mappings one row with nulls. Of options
-- only whether they let a role log in by itself is read, and that is null where the reader may not see them.
select t.ftrelid as table_oid,
       s.srvname as server,
       w.fdwname as wrapper,
       coalesce(h.proname, '') as handler,
       m.usename as mapped,
       case
           when m.umoptions is null then null
           else exists (
                select
                  from pg_catalog.unnest(m.umoptions) as o (option)
                 where o.option like 'password=_%'
                    or o.option = 'password_required=false'
                )
       end as logs_in
  from pg_catalog.pg_foreign_table as t
  join pg_catalog.pg_foreign_server as s
    on s.oid = t.ftserver
  join pg_catalog.pg_foreign_data_wrapper as w
    on w.oid = s.srvfdw
  left join pg_catalog.pg_proc as h
         on h.oid = w.fdwhandler
  left join pg_catalog.pg_user_mappings as m
         on m.srvid = s.oid
 order by t.ftrelid, m.usename collate "C"
