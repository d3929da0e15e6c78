-- Partitions of entry, value or leaf that queries through the table do not see: detached, or about to be, and not yet dropped.
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
    where schema.nspname = 'pgerase_log'
        and child.relkind = 'r'
        and child.relname ~ pg_catalog.concat('^', unattached.p_table, '_\d+_\w+$')
        and not exists (
            select
            from pg_catalog.pg_inherits as link
            where link.inhrelid = child.oid
                and not link.inhdetachpending
        )
    order by child.relname;
end;

comment on function pgerase_log.unattached(text) is 'Partitions that are detached, or about to be, and not yet dropped.';

revoke all on function pgerase_log.unattached(text) from public;
