-- Privileges on schemas. A null ACL is spelt out as the owner's defaults, so that absence always means "no privilege".
select n.nspname as schema,
       coalesce(r.rolname, 'public') as grantee,
       a.privilege_type as privilege,
       a.is_grantable as grantable,
       pg_catalog.pg_get_userbyid(a.grantor) as grantor
  from pg_catalog.pg_namespace as n
 cross join lateral pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) as a
  left join pg_catalog.pg_roles as r
         on r.oid = a.grantee
 where n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
   and (a.grantee = 0 or r.oid is not null)
 order by n.nspname collate "C", 2, 3, 5
