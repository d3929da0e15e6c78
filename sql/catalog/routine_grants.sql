-- EXECUTE on routines. A null ACL is spelt out: it means the owner and PUBLIC.
select p.oid as routine_oid,
       coalesce(r.rolname, 'public') as grantee,
       a.privilege_type as privilege,
       a.is_grantable as grantable,
       pg_catalog.pg_get_userbyid(a.grantor) as grantor
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n
    on n.oid = p.pronamespace
 cross join lateral pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) as a
  left join pg_catalog.pg_roles as r
         on r.oid = a.grantee
 where p.prokind <> 'a'
   and n.nspname not like 'pg\_%'
   and n.nspname <> 'information_schema'
   and (a.grantee = 0 or r.oid is not null)
 order by 1, 2, 5
