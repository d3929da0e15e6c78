-- Partitions of entry, value or leaf that queries through the table do not see: detached, or about to be, and not yet dropped;
-- those of a whole class that was detached as well. Known by their owner and columns, whatever they are called by now: a name
-- that somebody changed hides nothing from erasing. Columns are compared of the few that are apart, and not of each partition:
-- sealing asks all the time.
create or replace function pgerase_log.unattached(p_table text)
    returns table (relation text)
    language sql
    stable
    parallel safe
    security invoker
begin atomic
    with apart as materialized (
        select child.oid as child, child.relname, root.oid as root
        from pg_catalog.pg_class as root
            join pg_catalog.pg_namespace as home on home.oid = root.relnamespace and home.nspname = 'pgerase_log'
            join pg_catalog.pg_class as child
                on child.relnamespace = home.oid
                and child.relowner = root.relowner
                and child.relkind = 'r'
        where root.relname = unattached.p_table
            and root.relkind = 'p'
            and not exists (
                select
                from pg_catalog.pg_inherits as link
                    left join pg_catalog.pg_inherits as above on above.inhrelid = link.inhparent and not above.inhdetachpending
                where link.inhrelid = child.oid
                    and not link.inhdetachpending
                    -- A class that is detached as a whole takes its partitions along; what lies below others is not seen either.
                    and root.oid in (link.inhparent, above.inhparent)
            )
    )
    select apart.relname::text
    from apart
    where (
        select pg_catalog.array_agg((own.attname, own.atttypid) order by own.attnum)
        from pg_catalog.pg_attribute as own
        where own.attrelid = apart.child and own.attnum > 0 and not own.attisdropped
    ) = (
        select pg_catalog.array_agg((own.attname, own.atttypid) order by own.attnum)
        from pg_catalog.pg_attribute as own
        where own.attrelid = apart.root and own.attnum > 0 and not own.attisdropped
    )
    order by apart.relname;
end;

comment on function pgerase_log.unattached(text) is 'Partitions that are detached, or about to be, and not yet dropped.';

revoke all on function pgerase_log.unattached(text) from public;
