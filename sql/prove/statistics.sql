-- Identifiers in the planner's statistics, as far as the views show them to the current role: most common values, histogram
-- bounds, elements, and those of extended statistics and expressions.
with kept as (
    select s.schemaname as schema,
           s.tablename as name,
           s.attname as column,
           pg_catalog.concat_ws(
               E'\x01',
               s.most_common_vals,
               s.histogram_bounds,
               s.most_common_elems,
               -- From PostgreSQL 17 on.
               pg_catalog.to_jsonb(s) ->> 'range_bounds_histogram'
           ) as values
      from pg_catalog.pg_stats as s
     where s.schemaname not in ('pg_catalog', 'information_schema')
    union all
    select s.schemaname,
           s.tablename,
           s.statistics_name,
           pg_catalog.concat(s.most_common_vals)
      from pg_catalog.pg_stats_ext as s
     where s.schemaname not in ('pg_catalog', 'information_schema')
    union all
    select s.schemaname,
           s.tablename,
           s.statistics_name,
           pg_catalog.concat_ws(
               E'\x01',
               s.most_common_vals,
               s.histogram_bounds,
               s.most_common_elems,
               pg_catalog.to_jsonb(s) ->> 'range_bounds_histogram'
           )
      from pg_catalog.pg_stats_ext_exprs as s
     where s.schemaname not in ('pg_catalog', 'information_schema')
)
select k.schema,
       k.name,
       k.column,
       n.ordinal,
       pg_catalog.count(*) as rows
  from kept as k
  join pg_temp.pgerase_needle as n
    on case
           when pg_catalog.strpos(pg_catalog.lower(k.values collate pg_catalog."C"), n.fragment) > 0
               then (k.values collate pg_catalog."C") operator(pg_catalog.~) n.pattern
           else false
       end
 group by k.schema, k.name, k.column, n.ordinal
 order by k.schema collate "C", k.name collate "C", k.column collate "C", n.ordinal
