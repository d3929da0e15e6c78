-- The server, the database and who asks. The owner matters because he is a member of pg_database_owner without being listed.
select pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as server_version,
       d.datname as database,
       pg_catalog.pg_get_userbyid(d.datdba) as owner,
       current_user as "user"
  from pg_catalog.pg_database as d
 where d.datname = pg_catalog.current_database()
