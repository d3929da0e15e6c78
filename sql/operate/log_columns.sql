-- Columns that capturing reads by name, as the comments of its functions say, and that are gone from their tables: dropped or
-- renamed. Writes of these tables fail.
select
    pg_catalog.format('%%I.%%I', home.nspname, captured.relname) as relation,
    pg_catalog.array_agg(distinct said.name order by said.name) as columns
from pg_catalog.pg_namespace as logs
    join pg_catalog.pg_proc as routine on routine.pronamespace = logs.oid
    cross join lateral pg_catalog.regexp_match(
        pg_catalog.obj_description(routine.oid, 'pg_proc'),
        '\[pgerase capture=(\{[^\]]*\})\]\s*$'
    ) as mark (parts)
    cross join lateral pg_catalog.jsonb_each_text(mark.parts[1]::jsonb) as said (name, how)
    join pg_catalog.pg_trigger as fired on fired.tgfoid = routine.oid
    join pg_catalog.pg_class as captured on captured.oid = fired.tgrelid
    join pg_catalog.pg_namespace as home on home.oid = captured.relnamespace
where logs.nspname = 'pgerase_log'
    and said.how <> 'excluded'
    -- Those below have the columns of the one above.
    and not exists (select from pg_catalog.pg_inherits as link where link.inhrelid = captured.oid)
    and not exists (
        select
        from pg_catalog.pg_attribute as own
        where own.attrelid = captured.oid
            and own.attname = said.name
            and own.attnum > 0
            and not own.attisdropped
    )
group by home.nspname, captured.relname
order by home.nspname, captured.relname
