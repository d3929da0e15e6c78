-- Every column of everything outside the system schemas that holds values of its own, or whose partitions do.
-- leaf_type is what a type is made of: domains resolved, the element of arrays, the subtype of ranges.
with recursive made_of as (
    select t.oid as type_oid,
           case
               when t.typtype = 'd' then t.typbasetype
               when t.typtype = 'r' then r.rngsubtype
               when t.typtype = 'm' then m.rngsubtype
               when e.oid is not null then e.oid
           end as part_oid
      from pg_catalog.pg_type as t
      left join pg_catalog.pg_range as r
             on r.rngtypid = t.oid
      left join pg_catalog.pg_range as m
             on m.rngmultitypid = t.oid
      left join pg_catalog.pg_type as e
             on e.oid = t.typelem
            and e.typarray = t.oid
),
leaves as (
    select m.type_oid,
           coalesce(m.part_oid, m.type_oid) as leaf_oid,
           m.part_oid is null as is_leaf
      from made_of as m
    union all
    select l.type_oid,
           coalesce(m.part_oid, l.leaf_oid),
           m.part_oid is null
      from leaves as l
      join made_of as m
        on m.type_oid = l.leaf_oid
     where not l.is_leaf
)
select c.oid,
       n.nspname as schema,
       c.relname as name,
       c.relkind::pg_catalog.text as kind,
       c.relispartition as is_partition,
       pg_catalog.pg_is_other_temp_schema(n.oid) as is_other_temp,
       coalesce(pg_catalog.pg_table_size(c.oid), 0) as size,
       a.attnum::pg_catalog.int4 as position,
       a.attname as column,
       pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
       a.atttypid in ('pg_catalog.text'::pg_catalog.regtype, 'pg_catalog.varchar'::pg_catalog.regtype) as is_text,
       a.atttypid = 'pg_catalog.tsvector'::pg_catalog.regtype as is_words,
       case when tn.nspname = 'pg_catalog' then t.typname::pg_catalog.text else '' end as leaf_type
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n
    on n.oid = c.relnamespace
  left join pg_catalog.pg_attribute as a
         on a.attrelid = c.oid
        and a.attnum > 0
        and not a.attisdropped
  left join leaves as l
         on l.type_oid = a.atttypid
        and l.is_leaf
  left join pg_catalog.pg_type as t
         on t.oid = l.leaf_oid
  left join pg_catalog.pg_namespace as tn
         on tn.oid = t.typnamespace
 where c.relkind in ('r', 'p', 'm', 'f')
   and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
   and n.nspname !~ '^pg_toast_temp_'
   and n.oid <> pg_catalog.pg_my_temp_schema()
 order by n.nspname collate "C", c.relname collate "C", a.attnum
