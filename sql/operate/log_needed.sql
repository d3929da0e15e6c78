-- What of others keeps partitions of the log from going, by name: keys to its tables; of those that are detached also views and
-- routines that read them, tables below them, and columns of their row types or of arrays of them. What goes with a table is
-- left out.
select found.relation, found.name
from (
    select
        referenced.relname::text as relation,
        pg_catalog.pg_describe_object('pg_catalog.pg_constraint'::regclass, key.oid, 0) as name
    from pg_catalog.pg_constraint as key
        join pg_catalog.pg_class as referenced on referenced.oid = key.confrelid
        join pg_catalog.pg_namespace as home
            on home.oid = referenced.relnamespace and home.nspname = 'pgerase_log'
        join pg_catalog.pg_class as referring on referring.oid = key.conrelid
    where key.contype = 'f'
        and key.conparentid = 0
        and referring.relnamespace <> home.oid

    union

    select
        apart.relation,
        -- A view is what its rule is called by; a rule of a table is one.
        coalesce(
            pg_catalog.pg_describe_object('pg_catalog.pg_class'::regclass, shown.oid, 0),
            pg_catalog.pg_describe_object(link.classid, link.objid, 0)
        )
    from pgerase_log.detached() as apart
        join pg_catalog.pg_namespace as home on home.nspname = 'pgerase_log'
        join pg_catalog.pg_class as kept on kept.relnamespace = home.oid and kept.relname = apart.relation
        join pg_catalog.pg_type as row_type on row_type.oid = kept.reltype
        join pg_catalog.pg_depend as link
            on link.deptype = 'n'
            and (
                (link.refclassid = 'pg_catalog.pg_class'::regclass and link.refobjid = kept.oid)
                or (
                    link.refclassid = 'pg_catalog.pg_type'::regclass
                    and link.refobjid in (row_type.oid, row_type.typarray)
                )
            )
        left join pg_catalog.pg_rewrite as rule
            on link.classid = 'pg_catalog.pg_rewrite'::regclass and rule.oid = link.objid
        left join pg_catalog.pg_class as shown on shown.oid = rule.ev_class and shown.relkind in ('v', 'm')
    where not exists (
        select
        from pg_catalog.pg_depend as along
        where along.classid = link.classid
            and along.objid = link.objid
            and along.refclassid = 'pg_catalog.pg_class'::regclass
            and along.refobjid = kept.oid
            and along.deptype in ('a', 'i')
    )
) as found
order by found.relation, found.name collate "C"
