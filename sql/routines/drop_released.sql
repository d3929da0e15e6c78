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
    c_chunk constant integer := 1000;
    v_held bigint[];
    v_gone bigint[];
    v_first integer;
begin
    -- No hold is placed meanwhile.
    perform pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended('holds of pgerase.log', 0));
    v_held := pgerase_log.held_entries(p_entry => 'held', p_value => 'held_value');

    delete from pgerase_log.held_value as one
    using pgerase_log.held as entry
    where one.entry_id = entry.entry_id
        and entry.due_at <= p_now
        and entry.entry_id <> all (v_held);

    with gone as (
        delete from pgerase_log.held as entry
        where entry.due_at <= p_now
            and entry.entry_id <> all (v_held)
        returning entry.entry_id
    )
    select coalesce(pg_catalog.array_agg(gone.entry_id order by gone.entry_id), '{}')
    into strict v_gone
    from gone;

    for v_first in 1 .. pg_catalog.cardinality(v_gone) by c_chunk loop
        perform pgerase_log.add_record(
            p_kind => 'unheld',
            p_body => pg_catalog.jsonb_build_object(
                'entries', pg_catalog.cardinality(v_gone[v_first:v_first + c_chunk - 1]),
                'numbers', v_gone[v_first:v_first + c_chunk - 1]
            )
        );
    end loop;
    return pg_catalog.cardinality(v_gone);
end;
$$;

comment on function pgerase_log.drop_released(timestamptz) is 'Deletes what was held past its time and no longer is, and returns how many entries.';

revoke all on function pgerase_log.drop_released(timestamptz) from public;
