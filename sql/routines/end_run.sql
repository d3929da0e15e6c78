-- Ends a run of retention. Security definer because the log is closed.
create or replace function pgerase_log.end_run(p_run bigint, p_state text, p_outcomes jsonb, p_sqlstate text)
    returns void
    language sql
    volatile
    parallel unsafe
    security definer
begin atomic
    update pgerase_log.run as ending
    set
        state = end_run.p_state,
        outcomes = end_run.p_outcomes,
        sqlstate = end_run.p_sqlstate,
        ended_at = pg_catalog.clock_timestamp()
    where ending.run_id = end_run.p_run
        and ending.state = 'running';
end;

comment on function pgerase_log.end_run(bigint, text, jsonb, text) is 'Ends a run of retention with what came of it.';

revoke all on function pgerase_log.end_run(bigint, text, jsonb, text) from public;
