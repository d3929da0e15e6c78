-- All roles of the cluster, the predefined ones too. A setting of the role in this database hides its cluster-wide one.
select r.rolname as name,
       r.rolsuper as superuser,
       r.rolbypassrls as bypassrls,
       r.rolcreaterole as createrole,
       r.rolreplication as replication,
       r.rolcanlogin as login,
       r.rolinherit as inherit,
       array(
           select distinct on (pg_catalog.split_part(u.setting, '=', 1))
                  u.setting
             from pg_catalog.pg_db_role_setting as s
             join pg_catalog.pg_database as d
               on d.datname = pg_catalog.current_database()
            cross join lateral pg_catalog.unnest(s.setconfig) as u (setting)
            where s.setrole = r.oid
              and s.setdatabase in (0, d.oid)
            order by pg_catalog.split_part(u.setting, '=', 1), s.setdatabase desc
       ) as settings,
       coalesce(pg_catalog.shobj_description(r.oid, 'pg_authid'), '') as comment
  from pg_catalog.pg_roles as r
 order by r.rolname collate "C"
