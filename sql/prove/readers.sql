-- What each role may select, and whether the catalog proves that no policy hides a row from it: nothing binds it, or an exempt
-- policy shows it everything and none restricts it.
select r.rolname as role,
       c.oid,
       pg_catalog.has_schema_privilege(r.oid, c.relnamespace, 'USAGE') as may_use,
       array(
           select a.attnum::pg_catalog.int4
             from pg_catalog.pg_attribute as a
            where a.attrelid = c.oid
              and a.attnum > 0
              and not a.attisdropped
              and pg_catalog.has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')
            order by a.attnum
       ) as columns,
       (
           not c.relrowsecurity
           or r.rolsuper
           or r.rolbypassrls
           or (not c.relforcerowsecurity and pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE'))
           or (p.shows_all and not p.hides_some)
       ) as sees_all,
       c.relfilenode as storage
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
  join pg_catalog.pg_roles as r
    on r.rolname = any (%(roles)s::pg_catalog.name[])
 cross join lateral (
           select coalesce(pg_catalog.bool_or(o.polpermissive and o.expression = 'true'), false) as shows_all,
                  coalesce(pg_catalog.bool_or(not o.polpermissive and o.expression <> 'true'), false) as hides_some
             from (
                      select q.polpermissive,
                             pg_catalog.pg_get_expr(q.polqual, q.polrelid) as expression
                        from pg_catalog.pg_policy as q
                       where q.polrelid = c.oid
                         and q.polcmd in ('r', '*')
                         and exists (
                                 select
                                   from pg_catalog.unnest(q.polroles) as g (role)
                                  where g.role = 0
                                     or pg_catalog.pg_has_role(r.oid, g.role, 'USAGE')
                             )
                  ) as o
       ) as p
 where c.relkind in ('r', 'p', 'm', 'f')
   and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
   and n.nspname !~ '^pg_toast_temp_'
   and n.oid <> pg_catalog.pg_my_temp_schema()
 order by r.rolname collate "C", c.oid
