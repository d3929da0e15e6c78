-- Rights to set parameters that otherwise superusers alone may set.
select p.parname as parameter,
       coalesce(r.rolname, 'public') as grantee,
       a.privilege_type as privilege
  from pg_catalog.pg_parameter_acl as p
 cross join lateral pg_catalog.aclexplode(p.paracl) as a
  left join pg_catalog.pg_roles as r
         on r.oid = a.grantee
 where (a.grantee = 0 or r.oid is not null)
   -- The bootstrap superuser has them from the start.
   and not coalesce(r.rolsuper, false)
 order by 1, 2, 3
