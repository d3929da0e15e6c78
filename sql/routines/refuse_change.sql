-- Trigger function of the log's tables: they are written by inserting and shrink by dropping. Only the routines named here do
-- otherwise, each for its own reason; who calls is read from the call stack, which no setting can feign. Binds superusers too,
-- as long as they leave triggers on.
create or replace function pgerase_log.refuse_change()
    returns trigger
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_stack text;
begin
    get diagnostics v_stack = pg_context;

    if pg_catalog.regexp_count(
        v_stack,
        pg_catalog.format(
            '^PL/pgSQL function "?%s"?\.(forget_people|empty_salts|make_partitions)\(',
            pg_catalog.regexp_replace('pgerase_log', '([^[:alnum:]_])', '\\\1', 'g')
        ),
        1,
        'n'
    ) > 0 then
        return null;
    end if;

    raise exception using
        errcode = 'ZE220',
        message = pg_catalog.format(
            'the log is only added to: %s of %I.%I is refused',
            pg_catalog.lower(tg_op),
            tg_table_schema,
            tg_table_name
        ),
        hint = 'Entries end with their partition (pgerase retention run); values of one person go by pgerase subject erase.',
        schema = tg_table_schema,
        table = tg_table_name;
end;
$$;

comment on function pgerase_log.refuse_change() is 'Refuses updating, deleting and truncating the log by hand.';

revoke all on function pgerase_log.refuse_change() from public;
