-- Relations with statistics of their own, and whether the view pg_stats shows the current role all of them: that needs a right
-- on every column, and it hides everything of tables whose policies bind the role, exempt or not.
select c.oid,
       n.nspname as schema,
       c.relname as name,
       (
           (not c.relrowsecurity or not pg_catalog.row_security_active(c.oid))
           and not exists (
               select
                 from pg_catalog.pg_attribute as a
                where a.attrelid = c.oid
                  and a.attnum > 0
                  and not a.attisdropped
                  and not pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
           )
       ) as is_seen
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
  left join pg_catalog.pg_index as i
         on i.indexrelid = c.oid
 where (c.relkind in ('r', 'p', 'm', 'f') or (c.relkind in ('i', 'I') and i.indexprs is not null))
   and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
   and n.nspname !~ '^pg_toast_temp_'
   and n.oid <> pg_catalog.pg_my_temp_schema()
   and not pg_catalog.pg_is_other_temp_schema(n.oid)
 order by n.nspname collate "C", c.relname collate "C"
