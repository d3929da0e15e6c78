-- The partitions of the log by their true bounds, as the server has them: nothing is concluded from a name. Infinite bounds are
-- the first and the last partition of a class. Settings that bounds are written by are set because they are read as text.
create or replace function pgerase_log.partitions()
    returns table (
        class text,
        family text,
        parent text,
        relation text,
        lower_bound timestamptz,
        upper_bound timestamptz,
        due_at timestamptz,
        is_pending boolean
    )
    language plpgsql
    stable
    parallel unsafe
    security invoker
    set timezone = 'UTC'
    set datestyle = 'ISO'
    set standard_conforming_strings = 'on'
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    return query
    select
        one.class,
        root.relname::text,
        parent.relname::text,
        leaf.relname::text,
        bound.lower_bound,
        bound.upper_bound,
        -- Months differ: half a year after 30 August, 23:59, is later than half a year after 31 August, 0:00.
        greatest(
            bound.upper_bound + one.keep,
            bound.upper_bound - interval '1 microsecond' + one.keep + interval '1 microsecond'
        ),
        below.inhdetachpending
    from pg_catalog.pg_namespace as home
        join pg_catalog.pg_class as root
            on root.relnamespace = home.oid and root.relname in ('entry', 'value', 'leaf') and root.relkind = 'p'
        -- Nobody reads or writes through a class that is about to be detached as a whole.
        join pg_catalog.pg_inherits as above on above.inhparent = root.oid and not above.inhdetachpending
        join pg_catalog.pg_class as parent on parent.oid = above.inhrelid
        join pgerase_log.class as one
            -- Not by %L, which writes a backslash as the server's own spelling does not.
            on pg_catalog.pg_get_expr(parent.relpartbound, parent.oid)
                = 'FOR VALUES IN (''' || pg_catalog.replace(one.class, '''', '''''') || ''')'
        join pg_catalog.pg_inherits as below on below.inhparent = parent.oid
        join pg_catalog.pg_class as leaf on leaf.oid = below.inhrelid
        cross join lateral pg_catalog.regexp_match(
            pg_catalog.pg_get_expr(leaf.relpartbound, leaf.oid),
            '^FOR VALUES FROM \((?:MINVALUE|''([^'']+)'')\) TO \((?:MAXVALUE|''([^'']+)'')\)$'
        ) as found (parts)
        cross join lateral (
            select
                coalesce(found.parts[1]::timestamptz, '-infinity') as lower_bound,
                coalesce(found.parts[2]::timestamptz, 'infinity') as upper_bound
        ) as bound
    where home.nspname = 'pgerase_log'
        and found.parts is not null;
end;
$$;

comment on function pgerase_log.partitions() is 'Returns the partitions of the log with their true bounds, and when each expires.';

revoke all on function pgerase_log.partitions() from public;
