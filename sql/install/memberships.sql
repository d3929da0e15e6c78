-- Memberships in and of these roles. Before PostgreSQL 16 every membership can inherit and set; later versions say for each.
select
    role.rolname::text as role,
    member.rolname::text as member,
    grantor.rolname::text as grantor,
    membership.admin_option as admin,
    coalesce((pg_catalog.to_jsonb(membership) ->> 'inherit_option')::boolean, true)
        or coalesce((pg_catalog.to_jsonb(membership) ->> 'set_option')::boolean, true) as usable
from pg_catalog.pg_auth_members as membership
    join pg_catalog.pg_roles as role on role.oid = membership.roleid
    join pg_catalog.pg_roles as member on member.oid = membership.member
    left join pg_catalog.pg_roles as grantor on grantor.oid = membership.grantor
where role.rolname = any (%(names)s)
    or member.rolname = any (%(names)s)
order by 1, 2, 3
