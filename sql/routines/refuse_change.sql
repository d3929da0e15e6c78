-- Trigger function of the log's tables: they are written by inserting and shrink by dropping. The few routines that do otherwise
-- say so by a setting, for that statement alone; it is a word, and any session can say it. So this stops accidents, those of
-- superusers too: who has the keeper's rights, or switches triggers off, gets past it, and is found by the seal.
create or replace function pgerase_log.refuse_change()
    returns trigger
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    if pg_catalog.current_setting('pgerase.log_change', true) = 'allowed' then
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
