-- Makes one table of the log, beside the tree: a class of it, or a partition with indexes. It gets no privileges but SELECT for
-- those who have that on the log itself, and refuses whatever is not an insert.
create or replace function pgerase_log.make_table(p_family text, p_name text, p_is_class boolean)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_index text;
    v_reader name;
begin
    execute pg_catalog.format(
        'create table %1$I.%2$I (like %1$I.%3$I including defaults)%4$s',
        'pgerase_log',
        p_name,
        p_family,
        case when p_is_class then ' partition by range (at)' else '' end
    );

    if not p_is_class then
        foreach v_index in array
            case p_family
                when 'entry' then array['unique index on %I.%I (entry_id)']
                when 'value' then array['index on %I.%I (entry_id)', 'index on %I.%I using hash (person)']
                else array['unique index on %I.%I (entry_id)', 'unique index on %I.%I (segment_id, position)']
            end
        loop
            execute pg_catalog.format(pg_catalog.concat('create ', v_index), 'pgerase_log', p_name);
        end loop;
    end if;

    perform pgerase_log.close_table(p_name => p_name);

    for v_reader in
        select distinct pg_catalog.pg_get_userbyid(privilege.grantee)
        from pg_catalog.pg_class as root
            join pg_catalog.pg_namespace as home on home.oid = root.relnamespace
            cross join lateral pg_catalog.aclexplode(root.relacl) as privilege
        where home.nspname = 'pgerase_log'
            and root.relname = p_family
            and privilege.privilege_type = 'SELECT'
            and privilege.grantee not in (0, root.relowner)
    loop
        execute pg_catalog.format('grant select on %I.%I to %I', 'pgerase_log', p_name, v_reader);
    end loop;
end;
$$;

comment on function pgerase_log.make_table(text, text, boolean) is 'Makes a table of the log beside the tree, closed like all of them.';

revoke all on function pgerase_log.make_table(text, text, boolean) from public;
