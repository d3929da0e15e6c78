-- Makes a class of entries with its first partitions, or changes how long and in which pieces it is kept: what is there keeps its
-- bounds, and expires by the new length. Security definer because the log is closed.
create or replace function pgerase_log.define_class(
    p_class text,
    p_keep interval,
    p_period text,
    p_ahead integer,
    p_now timestamptz default pg_catalog.clock_timestamp()
)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security definer
    -- The record of it is read by others, who know one spelling of intervals.
    set intervalstyle = 'postgres'
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_number smallint;
    v_family text;
begin
    -- Not by ON CONFLICT, which would draw a number each time.
    update pgerase_log.class as one
    set
        keep = p_keep,
        period = p_period,
        ahead = p_ahead
    where one.class = p_class;

    if not found then
        foreach v_family in array array['entry', 'value', 'leaf'] loop
            perform pgerase_log.close_table(p_name => v_family);
        end loop;

        insert into pgerase_log.class (class, keep, period, ahead, defined_at)
        values (p_class, p_keep, p_period, p_ahead, p_now)
        returning class.number into strict v_number;

        foreach v_family in array array['entry', 'value', 'leaf'] loop
            perform pgerase_log.make_table(
                p_family => v_family,
                p_name => pg_catalog.format('%s_%s', v_family, v_number),
                p_is_class => true
            );
            execute pg_catalog.format(
                'alter table %1$I.%2$I attach partition %1$I.%3$I for values in (%4$L)',
                'pgerase_log',
                v_family,
                pg_catalog.format('%s_%s', v_family, v_number),
                p_class
            );
        end loop;
    end if;

    perform pgerase_log.make_partitions(p_class => p_class, p_now => p_now);
    perform pgerase_log.add_record(
        p_kind => 'class',
        p_body => pg_catalog.jsonb_build_object(
            'class', p_class, 'keep', p_keep, 'partition', p_period, 'ahead', p_ahead
        )
    );
end;
$$;

comment on function pgerase_log.define_class(text, interval, text, integer, timestamptz) is 'Makes or changes a class of entries: how long they are kept, and in which pieces.';

revoke all on function pgerase_log.define_class(text, interval, text, integer, timestamptz) from public;
