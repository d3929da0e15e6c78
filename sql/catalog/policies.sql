-- Row-security policies, expressions as the server deparses them.
select o.polrelid as table_oid,
       o.polname as name,
       case o.polcmd
           when '*' then 'ALL'
           when 'r' then 'SELECT'
           when 'a' then 'INSERT'
           when 'w' then 'UPDATE'
           when 'd' then 'DELETE'
       end as command,
       o.polpermissive as permissive,
       array(
           select coalesce(r.rolname, 'public')
             from pg_catalog.unnest(o.polroles) as u (role_oid)
             left join pg_catalog.pg_roles as r
                    on r.oid = u.role_oid
            order by 1
       ) as roles,
       pg_catalog.pg_get_expr(o.polqual, o.polrelid) as using,
       pg_catalog.pg_get_expr(o.polwithcheck, o.polrelid) as check,
       coalesce(d.description, '') as comment
  from pg_catalog.pg_policy as o
  left join pg_catalog.pg_description as d
         on d.classoid = 'pg_catalog.pg_policy'::pg_catalog.regclass
        and d.objoid = o.oid
        and d.objsubid = 0
 order by o.polrelid, o.polname collate "C"
