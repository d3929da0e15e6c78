-- Gives a class its parts of the three tables back that somebody detached or dropped: without one of them every write of the
-- class fails. What was detached under its name is attached again, with all that is in it; what is gone is made anew, and its
-- partitions are missing then. Where detaching was interrupted, it is finished first. Each is recorded. Returns how many.
create or replace function pgerase_log.fill_classes(p_class text)
    returns integer
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_part record;
    v_below record;
    v_count integer := 0;
    v_lock_timeout constant text := pg_catalog.current_setting('lock_timeout');
begin
    for v_part in
        select root.relname::text as family, part.relname::text as name
        from pgerase_log.class as one
            join pg_catalog.pg_namespace as home on home.nspname = 'pgerase_log'
            join pg_catalog.pg_class as root
                on root.relnamespace = home.oid and root.relname in ('entry', 'value', 'leaf') and root.relkind = 'p'
            join pg_catalog.pg_inherits as link on link.inhparent = root.oid and link.inhdetachpending
            join pg_catalog.pg_class as part
                on part.oid = link.inhrelid and part.relnamespace = home.oid and part.relowner = root.relowner
        where one.class = p_class
            -- As partitions() knows it.
            and pg_catalog.pg_get_expr(part.relpartbound, part.oid)
                = 'FOR VALUES IN (''' || pg_catalog.replace(one.class, '''', '''''') || ''')'
        order by root.relname
    loop
        -- It waits for every older snapshot, and nobody for it: what is written to the class fails already.
        perform pg_catalog.set_config('lock_timeout', '10s', true);
        execute pg_catalog.format(
            'alter table %1$I.%2$I detach partition %1$I.%3$I finalize',
            'pgerase_log',
            v_part.family,
            v_part.name
        );
        perform pg_catalog.set_config('lock_timeout', v_lock_timeout, true);
    end loop;

    for v_part in
        select
            root.relname::text as family,
            named.name,
            there.oid is null as is_anew,
            there.relkind = 'p'
            and there.relowner = root.relowner
            and pg_catalog.pg_get_partkeydef(there.oid) = 'RANGE (at)'
            and not exists (select from pg_catalog.pg_inherits as link where link.inhrelid = there.oid)
            and (
                select pg_catalog.array_agg((own.attname, own.atttypid) order by own.attnum)
                from pg_catalog.pg_attribute as own
                where own.attrelid = there.oid and own.attnum > 0 and not own.attisdropped
            ) = (
                select pg_catalog.array_agg((own.attname, own.atttypid) order by own.attnum)
                from pg_catalog.pg_attribute as own
                where own.attrelid = root.oid and own.attnum > 0 and not own.attisdropped
            ) as is_ours
        from pgerase_log.class as one
            join pg_catalog.pg_namespace as home on home.nspname = 'pgerase_log'
            join pg_catalog.pg_class as root
                on root.relnamespace = home.oid and root.relname in ('entry', 'value', 'leaf') and root.relkind = 'p'
            cross join lateral pg_catalog.concat(root.relname, '_', one.number) as named (name)
            left join pg_catalog.pg_class as there
                on there.relnamespace = home.oid and there.relname = named.name
        where one.class = p_class
            and not exists (
                select
                from pg_catalog.pg_inherits as link
                    join pg_catalog.pg_class as part on part.oid = link.inhrelid
                where link.inhparent = root.oid
                    and not link.inhdetachpending
                    -- As partitions() knows it.
                    and pg_catalog.pg_get_expr(part.relpartbound, part.oid)
                        = 'FOR VALUES IN (''' || pg_catalog.replace(one.class, '''', '''''') || ''')'
            )
        order by root.relname
    loop
        if v_part.is_anew then
            perform pgerase_log.make_table(p_family => v_part.family, p_name => v_part.name, p_is_class => true);
        elsif v_part.is_ours is not true then
            raise exception using
                errcode = 'ZE222',
                message = pg_catalog.format(
                    'the part of %s for the class %s is missing, and %I.%I, which has its name, is none',
                    v_part.family,
                    p_class,
                    'pgerase_log',
                    v_part.name
                ),
                hint = 'Rename that table, or drop it if nobody needs it; the next run makes the part anew.',
                schema = 'pgerase_log',
                table = v_part.name;
        end if;

        begin
            execute pg_catalog.format(
                'alter table %1$I.%2$I attach partition %1$I.%3$I for values in (%4$L)',
                'pgerase_log',
                v_part.family,
                v_part.name,
                p_class
            );
        exception
            when check_violation then
                raise exception using
                    errcode = 'ZE222',
                    message = pg_catalog.format(
                        'the part of %s for the class %s is missing, and %I.%I cannot be it again: it has rows of another class',
                        v_part.family,
                        p_class,
                        'pgerase_log',
                        v_part.name
                    ),
                    hint = 'Rename it, for somebody to look at; the next run makes the part anew, empty.',
                    schema = 'pgerase_log',
                    table = v_part.name;
        end;

        perform pgerase_log.drop_bounds(p_relation => v_part.name);

        -- From 17 on partitions have the identity of their parent, which attaching the parent does not give them: without it the
        -- class could never be detached again, and detaching it concurrently would never end.
        for v_below in
            select below.relname as name, pg_catalog.pg_get_expr(below.relpartbound, below.oid) as bound
            from pg_catalog.pg_class as part
                join pg_catalog.pg_namespace as home on home.oid = part.relnamespace and home.nspname = 'pgerase_log'
                join pg_catalog.pg_inherits as link on link.inhparent = part.oid and not link.inhdetachpending
                join pg_catalog.pg_class as below on below.oid = link.inhrelid and below.relowner = part.relowner
            where part.relname = v_part.name
                and pg_catalog.current_setting('server_version_num')::integer >= 170000
                and exists (
                    select
                    from pg_catalog.pg_attribute as own
                        join pg_catalog.pg_attribute as theirs
                            on theirs.attrelid = below.oid and theirs.attname = own.attname
                    where own.attrelid = part.oid and own.attidentity <> theirs.attidentity
                )
            order by below.relname
        loop
            execute pg_catalog.format(
                'alter table %1$I.%2$I detach partition %1$I.%3$I',
                'pgerase_log',
                v_part.name,
                v_below.name
            );
            execute pg_catalog.format(
                'alter table %1$I.%2$I attach partition %1$I.%3$I %4$s',
                'pgerase_log',
                v_part.name,
                v_below.name,
                v_below.bound
            );
        end loop;

        perform pgerase_log.add_record(
            p_kind => 'attach',
            p_body => pg_catalog.jsonb_build_object('class', p_class, 'table', v_part.name, 'anew', v_part.is_anew)
        );
        v_count := v_count + 1;
    end loop;

    return v_count;
end;
$$;

comment on function pgerase_log.fill_classes(text) is 'Gives a class its missing parts of the three tables back, and returns how many.';

revoke all on function pgerase_log.fill_classes(text) from public;
