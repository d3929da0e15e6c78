-- Privileges on tables, views and materialized views, and on their columns. A null ACL of a relation is spelt out as the
-- owner's defaults, so that absence always means "no privilege"; columns have none unless granted.
select g.relation_oid,
       coalesce(r.rolname, 'public') as grantee,
       g.privilege,
       g.grantable,
       pg_catalog.pg_get_userbyid(g.grantor) as grantor,
       g.column
  from (
        select c.oid as relation_oid,
               a.grantee,
               a.privilege_type as privilege,
               a.is_grantable as grantable,
               a.grantor,
               null::pg_catalog.name as column
          from pg_catalog.pg_class as c
          join pg_catalog.pg_namespace as n
            on n.oid = c.relnamespace
         cross join lateral pg_catalog.aclexplode(coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner))) as a
         where c.relkind in ('r', 'p', 'f', 'v', 'm')
           and n.nspname not like 'pg\_%'
           and n.nspname <> 'information_schema'
        union all
        select c.oid,
               a.grantee,
               a.privilege_type,
               a.is_grantable,
               a.grantor,
               t.attname
          from pg_catalog.pg_class as c
          join pg_catalog.pg_namespace as n
            on n.oid = c.relnamespace
          join pg_catalog.pg_attribute as t
            on t.attrelid = c.oid
           and not t.attisdropped
         cross join lateral pg_catalog.aclexplode(t.attacl) as a
         where c.relkind in ('r', 'p', 'f', 'v', 'm')
           and n.nspname not like 'pg\_%'
           and n.nspname <> 'information_schema'
       ) as g
  left join pg_catalog.pg_roles as r
         on r.oid = g.grantee
 where g.grantee = 0
    or r.oid is not null
 order by 1, 2, 3, 6, 5
