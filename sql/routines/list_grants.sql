-- Support access, the newest first: what a viewer holds, what those who may break the glass approve and review, everything for
-- super admins, as far as requirements leave them the person; and everything for operators, with nobody named. Security definer
-- because grants are closed.
create or replace function pgerase_internal.list_grants(p_by text)
    returns table (
        grant_id bigint,
        state text,
        kind text,
        holder text,
        subject text,
        person text,
        reason text,
        ticket text,
        opened_at timestamptz,
        until timestamptz,
        approved_by text,
        closed_by text,
        closed_at timestamptz,
        review_due timestamptz,
        reviewed_by text,
        verdict text
    )
    language plpgsql
    stable
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_now constant timestamptz := pg_catalog.statement_timestamp();
    v_by text;
    v_may_break_glass boolean;
    v_is_super_admin boolean;
begin
    if p_by is not null then
        select found.viewer, found.may_break_glass, found.is_super_admin
        into v_by, v_may_break_glass, v_is_super_admin
        from pgerase_internal.support_viewer(p_key => p_by) as found;
    end if;

    return query
    select
        listed.grant_id,
        case
            when listed.kind = 'break_glass'
                and listed.review_due is not null
                and listed.reviewed_at is null
                and (listed.approved_at is not null or not listed.second_person)
                and (listed.closed_at is not null or listed.until <= v_now)
            then case when listed.review_due < v_now then 'overdue for review' else 'to be reviewed' end
            when listed.closed_at = listed.forgotten_at then 'ended by erasing'
            when listed.closed_at is not null then 'closed'
            when listed.until <= v_now then 'expired'
            when listed.second_person and listed.approved_at is null then 'to be approved'
            else 'open'
        end,
        listed.kind,
        listed.holder::text,
        listed.subject::text,
        listed.person::text,
        listed.reason,
        listed.ticket,
        listed.opened_at,
        listed.until,
        listed.approved_by::text,
        listed.closed_by::text,
        listed.closed_at,
        listed.review_due,
        listed.reviewed_by::text,
        listed.verdict
    from pgerase_internal.support_grant as listed
    where p_by is null
        or (listed.holder = v_by or v_is_super_admin or v_may_break_glass and listed.kind = 'break_glass')
            and pgerase_internal.grant_in_sight(p_grant => listed.grant_id, p_viewer => v_by)
    order by listed.grant_id desc;
end;
$$;

comment on function pgerase_internal.list_grants(text) is 'Lists support access, as far as it is this viewer''s business.';

revoke all on function pgerase_internal.list_grants(text) from public;
