-- The tables that are captured now, as entries name them, with the columns of their keys: what the log can be asked about.
-- Parts of a captured table have its triggers as well, and are in the log under its name.
with written as (
    select distinct wrote.tgrelid as relation
    from pg_catalog.pg_trigger as wrote
        join pg_catalog.pg_proc as routine on routine.oid = wrote.tgfoid
        join pg_catalog.pg_namespace as log on log.oid = routine.pronamespace
    where log.nspname = 'pgerase_log'
        and not wrote.tgisinternal
)
select
    pg_catalog.concat(pg_catalog.quote_ident(schema.nspname), '.', pg_catalog.quote_ident(captured.relname)) as relation,
    array(
        select a.attname::text
        from pg_catalog.pg_constraint as k
            cross join lateral pg_catalog.unnest(k.conkey) with ordinality as part (number, place)
            join pg_catalog.pg_attribute as a on a.attrelid = k.conrelid and a.attnum = part.number
        where k.conrelid = captured.oid
            and k.contype = 'p'
        order by part.place
    ) as key
from written
    join pg_catalog.pg_class as captured on captured.oid = written.relation
    join pg_catalog.pg_namespace as schema on schema.oid = captured.relnamespace
where captured.relnamespace <> 'pgerase_log'::pg_catalog.regnamespace
    and not exists (
        select
        from pg_catalog.pg_inherits as above
            join written as parent on parent.relation = above.inhparent
        where above.inhrelid = captured.oid
    )
order by relation
