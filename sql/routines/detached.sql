-- Tables of the log that are no partitions any more: a run was killed between detaching and dropping, or somebody detached one by
-- hand. They are known by their columns. When they are due is said by the bounds that detaching left as a constraint, else by
-- the newest row; of the first partition, whose entries have wrong dates, by when they were found. Settings that bounds are
-- written by are set because they are read as text. Security definer because the log is closed.
create or replace function pgerase_log.detached()
    returns table (
        class text,
        family text,
        relation text,
        lower_bound timestamptz,
        upper_bound timestamptz,
        due_at timestamptz
    )
    language plpgsql
    stable
    parallel unsafe
    security definer
    set timezone = 'UTC'
    set datestyle = 'ISO'
    set standard_conforming_strings = 'on'
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_table record;
    v_found text;
    v_keep interval;
    v_early_since timestamptz;
    v_early_newest bigint;
    v_newest bigint;
begin
    for v_table in
        select root.family, found.relation, apart.oid as number
        from (values ('entry'), ('value'), ('leaf')) as root (family)
            cross join lateral pgerase_log.unattached(p_table => root.family) as found
            join pg_catalog.pg_namespace as home on home.nspname = 'pgerase_log'
            join pg_catalog.pg_class as apart on apart.relnamespace = home.oid and apart.relname = found.relation
        -- What is still being detached, or went with its class, is not one that goes by itself.
        where not exists (
            select
            from pg_catalog.pg_inherits as link
                join pg_catalog.pg_class as part on part.oid = link.inhparent and part.relowner = apart.relowner
            where link.inhrelid = apart.oid
        )
        order by found.relation
    loop
        family := v_table.family;
        relation := v_table.relation;
        class := null;
        lower_bound := null;
        upper_bound := null;

        select
            pg_catalog.replace((pg_catalog.regexp_match(bounds.body, 'class = ''((?:[^'']|'''')*)''::text'))[1], '''''', ''''),
            (pg_catalog.regexp_match(bounds.body, 'at >= ''([^'']+)''::timestamp'))[1]::timestamptz,
            (pg_catalog.regexp_match(bounds.body, 'at < ''([^'']+)''::timestamp'))[1]::timestamptz
        into class, lower_bound, upper_bound
        from (
            select pg_catalog.pg_get_constraintdef(bounds.oid) as body
            from pg_catalog.pg_constraint as bounds
            where bounds.conrelid = v_table.number
                and bounds.contype = 'c'
                and bounds.convalidated
        ) as bounds
        where bounds.body ~ 'at < ''([^'']+)''::timestamp'
        limit 1;

        execute pg_catalog.format(
            'select pg_catalog.min(one.class) from (select few.class from %I.%I as few limit 1) as one',
            'pgerase_log',
            relation
        )
        into strict v_found;
        class := coalesce(class, v_found);

        select one.keep, one.early_since, one.early_newest
        into v_keep, v_early_since, v_early_newest
        from pgerase_log.class as one
        where one.class = detached.class;

        if class is null then
            -- There is nothing in it.
            due_at := '-infinity';
        else
            -- A record of dropping it must not explain that anything else is missing.
            if upper_bound is null then
                execute pg_catalog.format(
                    'select pg_catalog.min(one.at), pg_catalog.max(one.at) + interval ''1 microsecond'' from %I.%I as one',
                    'pgerase_log',
                    relation
                )
                into strict lower_bound, upper_bound;
                upper_bound := coalesce(upper_bound, '-infinity');
            end if;

            due_at := greatest(
                upper_bound + v_keep,
                upper_bound - interval '1 microsecond' + v_keep + interval '1 microsecond'
            );

            if relation ~ '^(entry|value|leaf)_[0-9]+_head_' then
                execute pg_catalog.format('select pg_catalog.max(one.entry_id) from %I.%I as one', 'pgerase_log', relation)
                into strict v_newest;

                -- Not before the next run that makes partitions has attached it again, and found what is in it.
                if v_newest > coalesce(v_early_newest, 0) then
                    due_at := 'infinity';
                elsif v_newest is not null then
                    due_at := v_early_since + v_keep;
                end if;
            end if;
        end if;

        -- Of a class that is not known nothing is due.
        if class is not null and v_keep is null then
            due_at := 'infinity';
        end if;

        return next;
    end loop;
end;
$$;

comment on function pgerase_log.detached() is 'Returns the tables of the log that are no partitions any more, and when each is due.';

revoke all on function pgerase_log.detached() from public;
