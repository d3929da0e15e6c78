-- Tables in a schema that were partitions of entry, value or leaf, and are detached: known by the owner and the columns of these,
-- whatever they are called by now. P_log.unattached knows them in the same way, of one of the three. It is not asked: whoever
-- installs or uninstalls may find it missing, or another one in its place, and runs nothing that somebody else wrote.
select child.relname::text as name
from pg_catalog.pg_class as child
    join pg_catalog.pg_namespace as home on home.oid = child.relnamespace
where home.nspname = %(schema)s
    and child.relkind in ('r', 'p')
    and exists (
        select
        from pg_catalog.pg_class as root
        where root.relnamespace = home.oid
            and root.relname in ('entry', 'value', 'leaf')
            and root.relkind = 'p'
            and root.oid <> child.oid
            and root.relowner = child.relowner
            and (
                select pg_catalog.array_agg((own.attname, own.atttypid) order by own.attnum)
                from pg_catalog.pg_attribute as own
                where own.attrelid = child.oid and own.attnum > 0 and not own.attisdropped
            ) = (
                select pg_catalog.array_agg((own.attname, own.atttypid) order by own.attnum)
                from pg_catalog.pg_attribute as own
                where own.attrelid = root.oid and own.attnum > 0 and not own.attisdropped
            )
    )
    and not exists (
        select
        from pg_catalog.pg_inherits as link
            join pg_catalog.pg_class as part on part.oid = link.inhparent and part.relowner = child.relowner
        where link.inhrelid = child.oid
    )
order by child.relname
