-- What sessions begin with: settings of roles and of the database, and what the server's configuration says of triggers. In this
-- database the narrower one wins: a role in a database before a role, a database before all roles.
select pg_catalog.split_part(u.setting, '=', 1) as name,
       pg_catalog.substr(u.setting, pg_catalog.strpos(u.setting, '=') + 1) as value,
       r.rolname as role,
       d.datname as database,
       false as server
  from pg_catalog.pg_db_role_setting as s
 cross join lateral pg_catalog.unnest(s.setconfig) as u (setting)
  left join pg_catalog.pg_roles as r
         on r.oid = s.setrole
  left join pg_catalog.pg_database as d
         on d.oid = s.setdatabase
 where (s.setrole = 0 or r.oid is not null)
   and (s.setdatabase = 0 or d.datname = pg_catalog.current_database())
union all
select c.name, c.reset_val, null, null, true
  from pg_catalog.pg_settings as c
 where c.name = 'session_replication_role'
   and c.source in ('configuration file', 'command line', 'environment variable', 'global')
 order by 1, 3 nulls first, 4 nulls first, 5
