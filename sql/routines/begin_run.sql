-- Begins a run of retention, and says why the clock is not to be trusted, where it is not: then the run has ended already. What
-- is behind the last run or the newest entry is wrong. What is far ahead of the last run is right only where entries tell of
-- the time between; before the first, the moment when a class was last defined stands for it. Security definer because the log
-- is closed.
create or replace function pgerase_log.begin_run(
    p_now timestamptz,
    p_clock_is_right boolean,
    out run_id bigint,
    out refusal text
)
    returns record
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set timezone = 'UTC'
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_slack constant interval := '1 minute';
    v_bound constant interval := '7 days';
    v_clock timestamptz;
    v_witness text := 'last run';
    v_seen bigint;
    v_newest bigint;
    v_newest_at timestamptz;
    v_step interval;
begin
    update pgerase_log.run as past
    set state = 'killed'
    where past.state = 'running';

    select past.clock, past.newest
    into v_clock, v_seen
    from pgerase_log.run as past
    where past.state <> 'refused'
    order by past.run_id desc
    limit 1;

    if v_clock is null then
        select pg_catalog.max(one.defined_at)
        into strict v_clock
        from pgerase_log.class as one;
        v_witness := 'definition of the log';
    end if;

    select entry.entry_id, entry.at
    into v_newest, v_newest_at
    from pgerase_log.entry as entry
    order by entry.entry_id desc
    limit 1;

    if p_clock_is_right then
        refusal := null;
    elsif p_now < v_clock - v_slack then
        refusal := pg_catalog.format('the clock is behind the %s', v_witness);
    elsif p_now < v_newest_at - v_slack then
        refusal := 'the clock is behind the newest entry';
    elsif p_now > v_clock + v_bound then
        select pg_catalog.max(steps.step)
        into v_step
        from (
            select moments.at - pg_catalog.lag(moments.at, 1, v_clock) over (order by moments.at) as step
            from (
                select entry.at
                from pgerase_log.entry as entry
                where entry.entry_id > coalesce(v_seen, 0)
                union all
                select p_now
            ) as moments
            where moments.at > v_clock
        ) as steps;
        if v_step > v_bound then
            refusal := pg_catalog.format(
                'the clock is more than 7 days ahead of the %s, and no entries tell of the time between',
                v_witness
            );
        end if;
    end if;

    insert into pgerase_log.run (clock, newest, state, ended_at)
    values (
        p_now,
        v_newest,
        case when refusal is null then 'running' else 'refused' end,
        case when refusal is not null then pg_catalog.clock_timestamp() end
    )
    returning run.run_id into strict run_id;
end;
$$;

comment on function pgerase_log.begin_run(timestamptz, boolean) is 'Begins a run of retention; says why not, where the clock is not to be trusted.';

revoke all on function pgerase_log.begin_run(timestamptz, boolean) from public;
