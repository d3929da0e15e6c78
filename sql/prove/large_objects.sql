-- Large objects, and whether the current role may read each.
select m.oid,
       (
           pg_catalog.pg_has_role(m.lomowner, 'USAGE')
           or exists (
               select
                 from pg_catalog.aclexplode(m.lomacl) as g
                where g.privilege_type = 'SELECT'
                  and (g.grantee = 0 or pg_catalog.pg_has_role(g.grantee, 'USAGE'))
           )
       ) as may_read
  from pg_catalog.pg_largeobject_metadata as m
 order by m.oid
