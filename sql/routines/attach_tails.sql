-- Gives a class its last partitions back, where somebody detached or dropped them: writes past the last boundary would fail, and
-- no partition could be made. What was detached under its name is attached again, with all that is in it. Returns how many.
create or replace function pgerase_log.attach_tails(p_class text)
    returns integer
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set timezone = 'UTC'
    set datestyle = 'ISO'
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_open record;
    v_count integer := 0;
begin
    for v_open in
        select
            family.name as family,
            pg_catalog.format('%s_%s', family.name, one.number) as parent,
            pg_catalog.format('%s_%s_tail', family.name, one.number) as tail,
            reached.upper_bound
        from pgerase_log.class as one
            cross join pg_catalog.unnest(array['entry', 'value', 'leaf']) as family (name)
            cross join lateral (
                select pg_catalog.max(found.upper_bound) as upper_bound
                from pgerase_log.partitions() as found
                where found.class = one.class
                    and found.family = family.name
            ) as reached
        where one.class = p_class
            and reached.upper_bound < 'infinity'
        order by family.name
    loop
        if pg_catalog.to_regclass(pg_catalog.format('%I.%I', 'pgerase_log', v_open.tail)) is null then
            perform pgerase_log.make_table(p_family => v_open.family, p_name => v_open.tail, p_is_class => false);
        elsif not exists (
            select
            from pgerase_log.unattached(p_table => v_open.family) as apart
            where apart.relation = v_open.tail
        ) then
            raise exception using
                errcode = 'ZE222',
                message = pg_catalog.format(
                    'the last partition of %s is missing, and %I.%I, which has its name, is none',
                    v_open.parent,
                    'pgerase_log',
                    v_open.tail
                ),
                hint = 'Rename that table, or drop it if nobody needs it; the next run makes the partition anew.',
                schema = 'pgerase_log',
                table = v_open.tail;
        end if;

        begin
            execute pg_catalog.format(
                'alter table %1$I.%2$I attach partition %1$I.%3$I for values from (%4$L) to (maxvalue)',
                'pgerase_log',
                v_open.parent,
                v_open.tail,
                v_open.upper_bound
            );
        exception
            when check_violation then
                raise exception using
                    errcode = 'ZE222',
                    message = pg_catalog.format(
                        'the last partition of %s is missing, and %I.%I cannot be it again: it has rows of another class or time',
                        v_open.parent,
                        'pgerase_log',
                        v_open.tail
                    ),
                    hint = pg_catalog.format(
                        'Rename it, for somebody to look at; the next run makes the partition anew, from %s on.',
                        v_open.upper_bound
                    ),
                    schema = 'pgerase_log',
                    table = v_open.tail;
        end;

        perform pgerase_log.add_record(
            p_kind => 'attach',
            p_body => pg_catalog.jsonb_build_object('class', p_class, 'table', v_open.tail, 'from', v_open.upper_bound)
        );
        v_count := v_count + 1;
    end loop;

    return v_count;
end;
$$;

comment on function pgerase_log.attach_tails(text) is 'Gives a class its last partitions back, where they are missing, and returns how many.';

revoke all on function pgerase_log.attach_tails(text) from public;
