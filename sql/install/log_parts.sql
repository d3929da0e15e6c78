-- What is attached below entry, value and leaf in a schema, how deep, with its bounds as the server spells them. What is about to
-- be detached is left out: nothing is written to it any more.
with recursive part as (
    select root.relname::text as family, root.oid, 0 as level
    from pg_catalog.pg_class as root
        join pg_catalog.pg_namespace as home on home.oid = root.relnamespace
    where home.nspname = %(schema)s
        and root.relname in ('entry', 'value', 'leaf')

    union all

    select part.family, link.inhrelid, part.level + 1
    from part
        join pg_catalog.pg_inherits as link on link.inhparent = part.oid and not link.inhdetachpending
)
select
    part.family,
    part.level,
    home.nspname::text as schema,
    child.relname::text as name,
    child.relkind::text as kind,
    coalesce(pg_catalog.pg_get_expr(child.relpartbound, child.oid), '') as bound
from part
    join pg_catalog.pg_class as child on child.oid = part.oid
    join pg_catalog.pg_namespace as home on home.oid = child.relnamespace
where part.level > 0
order by home.nspname, child.relname
