-- Takes away what support access knows of people who are erased: reasons, which rows were theirs, and what was still to be told
-- to them. Open grants end, and the log and the team's channel are told that they did, not whose data it was. That somebody
-- looked, when and under which ticket stays.
create or replace function pgerase_internal.forget_support(p_subject text, p_keys text[])
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_now constant timestamptz := pg_catalog.statement_timestamp();
    v_lock bigint;
    v_ended bigint[];
    v_grant bigint;
begin
    -- Who opens access to one of them now waits, and is refused then.
    for v_lock in
        select distinct pgerase_internal.support_lock(p_subject => p_subject, p_person => one.key)
        from pg_catalog.unnest(p_keys) as one (key)
        order by 1
    loop
        perform pg_catalog.pg_advisory_xact_lock(v_lock);
    end loop;

    select coalesce(pg_catalog.array_agg(running.grant_id order by running.grant_id), '{}')
    into strict v_ended
    from (
        select concerned.grant_id
        from pgerase_internal.support_grant as concerned
        where concerned.subject = p_subject
            and concerned.person = any (p_keys)
            and concerned.closed_at is null
            and concerned.until > v_now
        order by concerned.grant_id
        for update
    ) as running;

    update pgerase_internal.support_ticket as taken
    set keys = '{}'
    from pgerase_internal.support_grant as concerned
    where concerned.grant_id = taken.grant_id
        and concerned.subject = p_subject
        and concerned.person = any (p_keys);

    update pgerase_internal.support_grant as concerned
    set
        reason = null,
        forgotten_at = v_now,
        closed_at = case when concerned.grant_id = any (v_ended) then v_now else concerned.closed_at end,
        review_due = case
            when concerned.grant_id = any (v_ended)
            then v_now + concerned.review_within
            else concerned.review_due
        end
    where concerned.subject = p_subject
        and concerned.person = any (p_keys)
        and concerned.forgotten_at is null;

    delete from pgerase_internal.outbox as told
    using pgerase_internal.support_grant as concerned
    where told.grant_id = concerned.grant_id
        and told.kind = 'person'
        and told.delivered_at is null
        and concerned.subject = p_subject
        and concerned.person = any (p_keys);

    foreach v_grant in array v_ended loop
        perform pgerase_internal.note_support(
            p_grant => v_grant,
            p_action => 'close',
            p_actor => null,
            p_new => null,
            p_value => null,
            p_announced => 'closed'
        );
    end loop;
end;
$$;

comment on function pgerase_internal.forget_support(text, text[]) is 'Takes away what support access knows of people who are erased.';

revoke all on function pgerase_internal.forget_support(text, text[]) from public;
