-- Partitions of entry, value or leaf that queries through the table do not see: detached, or about to be, and not yet dropped;
-- those of a whole class that was detached as well. Known by their owner and columns, whatever they are called by now: a name
-- that somebody changed hides nothing from erasing.
create or replace function pgerase_log.unattached(p_table text)
    returns table (relation text)
    language sql
    stable
    parallel safe
    security invoker
begin atomic
    select child.relname::text
    from pg_catalog.pg_class as child
        join pg_catalog.pg_namespace as schema on schema.oid = child.relnamespace
        join pg_catalog.pg_class as root
            on root.relnamespace = schema.oid
            and root.relname = unattached.p_table
            and root.relkind = 'p'
            and root.relowner = child.relowner
    where schema.nspname = 'pgerase_log'
        and child.relkind = 'r'
        and (
            select pg_catalog.array_agg((own.attname, own.atttypid) order by own.attnum)
            from pg_catalog.pg_attribute as own
            where own.attrelid = child.oid and own.attnum > 0 and not own.attisdropped
        ) = (
            select pg_catalog.array_agg((own.attname, own.atttypid) order by own.attnum)
            from pg_catalog.pg_attribute as own
            where own.attrelid = root.oid and own.attnum > 0 and not own.attisdropped
        )
        and not exists (
            select
            from pg_catalog.pg_inherits as link
                join pg_catalog.pg_class as part on part.oid = link.inhparent
                left join pg_catalog.pg_inherits as above on above.inhrelid = part.oid and not above.inhdetachpending
            where link.inhrelid = child.oid
                and not link.inhdetachpending
                -- A class that is detached as a whole takes its partitions along.
                and (
                    above.inhparent is not null
                    or part.oid = root.oid
                    or part.relkind <> 'p'
                    or part.relowner <> root.relowner
                )
        )
    order by child.relname;
end;

comment on function pgerase_log.unattached(text) is 'Partitions that are detached, or about to be, and not yet dropped.';

revoke all on function pgerase_log.unattached(text) from public;
