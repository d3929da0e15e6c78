-- Notes and announces what came of time having passed: access that expired, reviews that are overdue; each once, however many
-- sessions look at the same time. Security definer because the register of grants is closed. Returns how much it noted.
create or replace function pgerase_internal.note_overdue()
    returns bigint
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_now constant timestamptz := pg_catalog.statement_timestamp();
    v_noted bigint := 0;
    v_grant record;
begin
    for v_grant in
        select late.grant_id, happened.event, happened.action
        from pgerase_internal.support_grant as late
            cross join lateral (
                values
                    ('expired', 'expire', late.closed_at is null and late.until <= v_now),
                    (
                        'review_overdue',
                        'review_overdue',
                        late.review_due < v_now
                        and late.reviewed_at is null
                        and (late.approved_at is not null or not late.second_person)
                        and (late.closed_at is not null or late.until <= v_now)
                    )
            ) as happened (event, action, is_so)
        where happened.is_so
            and not exists (
                select
                from pgerase_internal.outbox as told
                where told.grant_id = late.grant_id
                    and told.event = happened.event
            )
        order by late.grant_id, happened.event
        for update of late
    loop
        -- Another session may have done it while this one waited for the row.
        if not exists (
            select
            from pgerase_internal.outbox as told
            where told.grant_id = v_grant.grant_id
                and told.event = v_grant.event
        ) then
            perform pgerase_internal.note_support(
                p_grant => v_grant.grant_id,
                p_action => v_grant.action,
                p_actor => null,
                p_new => null,
                p_value => null,
                p_announced => v_grant.event
            );
            v_noted := v_noted + 1;
        end if;
    end loop;

    return v_noted;
end;
$$;

comment on function pgerase_internal.note_overdue() is 'Announces access that expired and reviews that are overdue, each once.';

revoke all on function pgerase_internal.note_overdue() from public;
