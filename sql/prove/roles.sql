-- Who may act for the search: the connected role, those it may become as it is, and pgerase's private ones where they exist.
select r.rolname as name,
       r.rolname = current_user as is_me,
       r.rolsuper as is_superuser,
       case
           when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 160000
               then pg_catalog.pg_has_role(current_user, r.oid, 'MEMBER')
           else pg_catalog.pg_has_role(current_user, r.oid, 'SET')
       end as may_become,
       r.rolname = any (%(private)s::pg_catalog.name[]) as is_private
  from pg_catalog.pg_roles as r
 order by r.rolname <> current_user, r.rolname collate "C"
