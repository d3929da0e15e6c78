-- Whose statistics the current role can rebuild, so that nothing of the old ones is left: ANALYZE leaves those of columns
-- without a target alone, and those of expressions of partial indexes that no row is in; and of empty tables all.
select n.nspname as schema,
       c.relname as name,
       (
           case
               when pg_catalog.current_setting('server_version_num')::pg_catalog.int4 < 170000
                   then pg_catalog.pg_has_role(c.relowner, 'USAGE')
               else pg_catalog.pg_has_role(c.relowner, 'USAGE')
                    or pg_catalog.has_table_privilege(c.oid, 'MAINTAIN')
           end
           and not exists (
               select
                 from pg_catalog.pg_attribute as a
                where a.attrelid = c.oid
                  and a.attnum > 0
                  and not a.attisdropped
                  and a.attstattarget = 0
           )
           and not exists (
               select
                 from pg_catalog.pg_statistic_ext as x
                where x.stxrelid = c.oid
                  and x.stxstattarget = 0
           )
           and not exists (
               select
                 from pg_catalog.pg_index as i
                where i.indrelid = c.oid
                  and i.indexprs is not null
                  and i.indpred is not null
           )
       ) as can_be,
       c.reltuples > 0 as has_rows
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'm')
   and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
 order by n.nspname collate "C", c.relname collate "C"
