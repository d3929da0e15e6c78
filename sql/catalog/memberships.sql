-- Direct memberships. Before 16 there are no options: inheriting is the member's attribute, and SET ROLE is always allowed.
select g.rolname as role,
       m.rolname as member,
       a.admin_option as admin,
       coalesce((pg_catalog.to_jsonb(a) ->> 'inherit_option')::pg_catalog.bool, m.rolinherit) as inherit,
       coalesce((pg_catalog.to_jsonb(a) ->> 'set_option')::pg_catalog.bool, true) as set,
       pg_catalog.pg_get_userbyid(a.grantor) as grantor
  from pg_catalog.pg_auth_members as a
  join pg_catalog.pg_roles as g
    on g.oid = a.roleid
  join pg_catalog.pg_roles as m
    on m.oid = a.member
 order by g.rolname collate "C", m.rolname collate "C", 6
