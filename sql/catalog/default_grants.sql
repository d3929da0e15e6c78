-- What ALTER DEFAULT PRIVILEGES gives others on tables to come; a null schema means any.
select pg_catalog.pg_get_userbyid(d.defaclrole) as creator,
       n.nspname as schema,
       coalesce(r.rolname, 'public') as grantee,
       a.privilege_type as privilege
  from pg_catalog.pg_default_acl as d
  left join pg_catalog.pg_namespace as n
         on n.oid = d.defaclnamespace
 cross join lateral pg_catalog.aclexplode(d.defaclacl) as a
  left join pg_catalog.pg_roles as r
         on r.oid = a.grantee
 where d.defaclobjtype = 'r'
   and a.grantee <> d.defaclrole
   and (a.grantee = 0 or r.oid is not null)
 order by 1, 2 nulls first, 3, 4
