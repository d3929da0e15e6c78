-- Makes or changes a class of entries. Security definer because the log is closed. Its partitions hold all time.
create or replace function pgerase_log.define_class(p_class text, p_keep interval, p_period text, p_ahead integer)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_number smallint;
    v_table text;
    v_name text;
begin
    update pgerase_log.class as known
    set
        keep = p_keep,
        period = p_period,
        ahead = p_ahead
    where known.class = p_class;

    if found then
        return;
    end if;

    insert into pgerase_log.class (class, keep, period, ahead)
    values (p_class, p_keep, p_period, p_ahead)
    returning class.number into strict v_number;

    foreach v_table in array array['entry', 'value', 'leaf'] loop
        v_name := pg_catalog.concat_ws('_', v_table, v_number);
        execute pg_catalog.format(
            'create table %1$I.%2$I partition of %1$I.%3$I for values in (%4$L) partition by range (at)',
            'pgerase_log',
            v_name,
            v_table,
            p_class
        );
        execute pg_catalog.format(
            'create table %1$I.%2$I partition of %1$I.%3$I for values from (minvalue) to (maxvalue)',
            'pgerase_log',
            pg_catalog.concat_ws('_', v_name, 'tail'),
            v_name
        );
    end loop;
end;
$$;

comment on function pgerase_log.define_class(text, interval, text, integer) is 'Makes or changes a class of entries, with its partitions.';

revoke all on function pgerase_log.define_class(text, interval, text, integer) from public;
