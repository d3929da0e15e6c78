-- Deletes what was held past its time and no longer is. Security definer because the log is closed.
create or replace function pgerase_log.drop_released(p_now timestamptz)
    returns bigint
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_held bigint[];
    v_count bigint;
begin
    -- No hold is placed meanwhile.
    perform pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended('holds of pgerase.log', 0));
    v_held := pgerase_log.held_entries(p_entry => 'held', p_value => 'held_value');

    delete from pgerase_log.held_value as one
    using pgerase_log.held as entry
    where one.entry_id = entry.entry_id
        and entry.due_at <= p_now
        and entry.entry_id <> all (v_held);

    delete from pgerase_log.held as entry
    where entry.due_at <= p_now
        and entry.entry_id <> all (v_held);
    get diagnostics v_count = row_count;

    if v_count > 0 then
        perform pgerase_log.add_record(
            p_kind => 'unheld',
            p_body => pg_catalog.jsonb_build_object('entries', v_count)
        );
    end if;
    return v_count;
end;
$$;

comment on function pgerase_log.drop_released(timestamptz) is 'Deletes what was held past its time and no longer is, and returns how many entries.';

revoke all on function pgerase_log.drop_released(timestamptz) from public;
