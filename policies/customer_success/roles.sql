-- The logins pack.yaml and access.yaml name, and their privileges. Run by whoever may create roles, after schema.sql.
-- Roles belong to the whole cluster: an existing one is left as it is.

do $$
declare
    v_role text;
begin
    foreach v_role in array array['cs_web', 'cs_reporting', 'cs_visitor', 'cs_etl'] loop
        if not exists (select from pg_catalog.pg_roles as r where r.rolname = v_role) then
            execute pg_catalog.format('create role %I login nosuperuser nobypassrls', v_role);
        end if;
    end loop;
end;
$$;

grant usage on schema cs to cs_web, cs_reporting, cs_visitor, cs_etl;
grant select on all tables in schema cs to cs_web, cs_reporting, cs_etl;
grant insert, update, delete on all tables in schema cs to cs_web;
grant select on cs.help_article to cs_visitor;
