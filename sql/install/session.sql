-- Who is installing, and where.
select
    pg_catalog.current_database()::text as database,
    current_user::text as installer,
    login.rolsuper as superuser,
    login.rolcreaterole as createrole,
    pg_catalog.has_database_privilege(current_user, pg_catalog.current_database(), 'create') as can_create
from pg_catalog.pg_roles as login
where login.rolname = current_user
