-- The login that pack.yaml names, and its privileges. Run by whoever may create roles, after schema.sql.
-- Roles belong to the whole cluster: an existing one is left as it is.

do $$
begin
    if not exists (select from pg_catalog.pg_roles as r where r.rolname = 'crowd_app') then
        create role crowd_app login nosuperuser nobypassrls;
    end if;
end;
$$;

grant usage on schema public to crowd_app;
grant select, insert, update, delete on
    public.cwd_directory, public.cwd_user, public.cwd_user_attribute, public.cwd_group, public.cwd_membership,
    public.cwd_application_alias, public.cwd_token,
    public.cwd_audit_log_changeset, public.cwd_audit_log_entity, public.cwd_audit_log_entry
to crowd_app;
