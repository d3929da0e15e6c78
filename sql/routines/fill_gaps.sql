-- Gives a class its parts and the partitions back that somebody detached or dropped: writes of their time would fail, and without
-- the last one no partition could be made. What was detached under its name is attached again, with all that is in it; what is
-- gone is made anew, empty: what was in it stays missing. Each is recorded. Nobody is kept waiting by it, and it waits for nobody
-- who reads or writes. Returns how many. Security definer because the log is closed.
create or replace function pgerase_log.fill_gaps(p_class text, p_now timestamptz)
    returns integer
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set timezone = 'UTC'
    set datestyle = 'ISO'
    set lock_timeout = '200ms'
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_gap record;
    v_is_anew boolean;
    v_other record;
    v_count integer;
begin
    -- One at a time: applying rules and a run may meet.
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('partitions of pgerase.log', 0));

    v_count := pgerase_log.fill_classes(p_class => p_class);

    -- Nobody can tell where the others of them began and ended.
    for v_gap in
        select missing.parent, apart.relation as name
        from pgerase_log.gaps(p_now => p_now) as missing
            cross join lateral pgerase_log.unattached(p_table => missing.family) as apart
        where missing.class = p_class
            and missing.lower_bound = '-infinity'
            and missing.upper_bound = 'infinity'
            and pg_catalog.starts_with(apart.relation, pg_catalog.concat(missing.parent, '_'))
        order by apart.relation
        limit 1
    loop
        raise exception using
            errcode = 'ZE222',
            message = pg_catalog.format(
                'all partitions of %s are missing, and some are detached and have their names, such as %I.%I',
                v_gap.parent,
                'pgerase_log',
                v_gap.name
            ),
            hint = 'Attach them again with the bounds they had, or rename them; then the next run makes them anew.',
            schema = 'pgerase_log',
            table = v_gap.name;
    end loop;

    for v_gap in
        select
            missing.family,
            missing.parent,
            case
                -- It follows the oldest, and keeps the name that it began with.
                when missing.lower_bound = '-infinity'
                    then coalesce(
                        (
                            select pg_catalog.max(apart.relation)
                            from pgerase_log.unattached(p_table => missing.family) as apart
                            where pg_catalog.starts_with(apart.relation, pg_catalog.concat(missing.parent, '_head_'))
                        ),
                        pg_catalog.concat(missing.parent, '_head_', pg_catalog.to_char(missing.upper_bound, 'YYYYMMDD'))
                    )
                when missing.upper_bound = 'infinity' then pg_catalog.concat(missing.parent, '_tail')
                else pg_catalog.concat(missing.parent, '_', pg_catalog.to_char(missing.lower_bound, 'YYYYMMDD'))
            end as name,
            nullif(missing.lower_bound, '-infinity') as lower_bound,
            nullif(missing.upper_bound, 'infinity') as upper_bound
        from pgerase_log.gaps(p_now => p_now) as missing
        where missing.class = p_class
            -- A class that has none at all gets its first ones like a new one.
            and (missing.lower_bound > '-infinity' or missing.upper_bound < 'infinity')
        order by missing.lower_bound, missing.family
    loop
        v_is_anew := pg_catalog.to_regclass(pg_catalog.format('%I.%I', 'pgerase_log', v_gap.name)) is null;
        if v_is_anew then
            perform pgerase_log.make_table(p_family => v_gap.family, p_name => v_gap.name, p_is_class => false);
        elsif not exists (
            select
            from pgerase_log.unattached(p_table => v_gap.family) as apart
            where apart.relation = v_gap.name
        ) then
            raise exception using
                errcode = 'ZE222',
                message = pg_catalog.format(
                    'a partition of %s is missing, and %I.%I, which has its name, is none',
                    v_gap.parent,
                    'pgerase_log',
                    v_gap.name
                ),
                hint = 'Rename that table, or drop it if nobody needs it; the next run makes the partition anew.',
                schema = 'pgerase_log',
                table = v_gap.name;
        end if;

        select home.nspname as schema, other.relname as name, other.relowner = apart.relowner as is_ours
        into v_other
        from pg_catalog.pg_class as apart
            join pg_catalog.pg_inherits as link on link.inhrelid = apart.oid
            join pg_catalog.pg_class as other on other.oid = link.inhparent
            join pg_catalog.pg_namespace as home on home.oid = other.relnamespace
        where apart.oid = pg_catalog.to_regclass(pg_catalog.format('%I.%I', 'pgerase_log', v_gap.name));

        if found then
            raise exception using
                errcode = 'ZE222',
                message = pg_catalog.format(
                    'a partition of %s is missing, and %I.%I, which has its name, is one of %I.%I',
                    v_gap.parent,
                    'pgerase_log',
                    v_gap.name,
                    v_other.schema,
                    v_other.name
                ),
                hint = case
                    when v_other.is_ours then pg_catalog.format(
                        'Rename all partitions of %1$I, and they stay there; the next run makes those of %2$s anew.'
                        ' Or drop %2$s and give %1$I its name; the next run attaches it again, with all that is in it.',
                        v_other.name,
                        v_gap.parent
                    )
                    else pg_catalog.format(
                        'Take it out of %I.%I, and the next run attaches it again, with all that is in it.',
                        v_other.schema,
                        v_other.name
                    )
                end,
                schema = 'pgerase_log',
                table = v_gap.name;
        end if;

        begin
            execute pg_catalog.format(
                'alter table %1$I.%2$I attach partition %1$I.%3$I for values from (%4$s) to (%5$s)',
                'pgerase_log',
                v_gap.parent,
                v_gap.name,
                coalesce(pg_catalog.quote_literal(v_gap.lower_bound), 'minvalue'),
                coalesce(pg_catalog.quote_literal(v_gap.upper_bound), 'maxvalue')
            );
        exception
            when check_violation then
                raise exception using
                    errcode = 'ZE222',
                    message = pg_catalog.format(
                        'a partition of %s is missing, and %I.%I cannot be it again: it has rows of another class or time',
                        v_gap.parent,
                        'pgerase_log',
                        v_gap.name
                    ),
                    hint = pg_catalog.format(
                        'Rename it, for somebody to look at; the next run makes the partition anew, from %s to %s.'
                        ' What is in it is outside of the log then; to have it back, attach it by hand with the bounds it had.',
                        coalesce(v_gap.lower_bound::text, 'the beginning'),
                        coalesce(v_gap.upper_bound::text, 'the end')
                    ),
                    schema = 'pgerase_log',
                    table = v_gap.name;
        end;

        perform pgerase_log.drop_bounds(p_relation => v_gap.name);
        perform pgerase_log.add_record(
            p_kind => 'attach',
            p_body => pg_catalog.jsonb_build_object(
                'class', p_class,
                'table', v_gap.name,
                'from', v_gap.lower_bound,
                'to', v_gap.upper_bound,
                'anew', v_is_anew
            )
        );
        v_count := v_count + 1;
    end loop;

    return v_count;
end;
$$;

comment on function pgerase_log.fill_gaps(text, timestamptz) is 'Gives a class its missing partitions back, and returns how many.';

revoke all on function pgerase_log.fill_gaps(text, timestamptz) from public;
