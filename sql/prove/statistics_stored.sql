-- The same from where statistics are stored, for roles that may read that: superusers, and members of pg_read_all_data.
with kept as (
    select c.relnamespace,
           c.relname as name,
           a.attname as column,
           pg_catalog.concat_ws(
               E'\x01',
               s.stavalues1::pg_catalog.text,
               s.stavalues2::pg_catalog.text,
               s.stavalues3::pg_catalog.text,
               s.stavalues4::pg_catalog.text,
               s.stavalues5::pg_catalog.text
           ) as values
      from pg_catalog.pg_statistic as s
      join pg_catalog.pg_class as c
        on c.oid = s.starelid
      join pg_catalog.pg_attribute as a
        on a.attrelid = s.starelid
       and a.attnum = s.staattnum
    union all
    select c.relnamespace,
           c.relname,
           x.stxname,
           pg_catalog.concat_ws(
               E'\x01',
               (select pg_catalog.concat(pg_catalog.array_agg(m.values)) from pg_catalog.pg_mcv_list_items(d.stxdmcv) as m),
               d.stxdexpr::pg_catalog.text
           )
      from pg_catalog.pg_statistic_ext as x
      join pg_catalog.pg_statistic_ext_data as d
        on d.stxoid = x.oid
      join pg_catalog.pg_class as c
        on c.oid = x.stxrelid
)
select p.nspname as schema,
       k.name,
       k.column,
       n.ordinal,
       pg_catalog.count(*) as rows
  from kept as k
  join pg_catalog.pg_namespace as p
    on p.oid = k.relnamespace
   and p.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
  join pg_temp.pgerase_needle as n
    on case
           when pg_catalog.strpos(pg_catalog.lower(k.values collate pg_catalog."C"), n.fragment) > 0
               then (k.values collate pg_catalog."C") operator(pg_catalog.~) n.pattern
           else false
       end
 group by p.nspname, k.name, k.column, n.ordinal
 order by p.nspname collate "C", k.name collate "C", k.column collate "C", n.ordinal
