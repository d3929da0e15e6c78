-- Opens access to one person's data for a viewer of the staff, or for an operator who names one. Security definer because grants
-- are closed, and only their owner may ask what rules say. Who may hold one is asked first, so that nobody else learns here who
-- there is or what somebody allows. In the transaction that opens it a grant opens nothing: that could be rolled back.
create or replace function pgerase_internal.open_grant(
    p_kind text,
    p_holder text,
    p_subject text,
    p_person text,
    p_reason text,
    p_ticket text,
    p_until timestamptz
)
    returns bigint
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_is_glass constant boolean := p_kind = 'break_glass';
    v_reason constant text := nullif(pg_catalog.btrim(p_reason, E' \t\r\n'), '');
    v_opened_at constant timestamptz := pg_catalog.statement_timestamp();
    v_terms record;
    v_holder text;
    v_may boolean;
    v_is_there boolean;
    v_is_allowed boolean;
    v_links text[];
    v_grant bigint;
    v_wrong text;
begin
    select terms.longest, terms.has_break_glass, terms.second_person, terms.review_within
    into strict v_terms
    from pgerase_internal.support_terms() as terms;

    select found.viewer, case when v_is_glass then found.may_break_glass else found.may_support end
    into v_holder, v_may
    from pgerase_internal.support_viewer(p_key => p_holder) as found;

    if p_kind is null or p_kind not in ('normal', 'break_glass') or v_may is not true then
        raise exception using
            errcode = 'ZE302',
            message = 'you may not open this kind of support access',
            hint = 'Who may is said under support: in audit.yaml; nobody may who is not active, or whose key is not there.';
    end if;

    v_wrong := case
        when v_reason is null and p_ticket is null then 'support access needs a reason or a ticket'
        when pg_catalog.octet_length(v_reason) > 2000 then 'the reason for support access has more than 2000 bytes'
        when p_ticket !~ '^[A-Za-z0-9._/#-]{1,64}$' then 'this is no ticket'
    end;

    if v_wrong is not null then
        raise exception using
            errcode = 'ZE304',
            message = v_wrong,
            hint = 'A ticket is up to 64 letters, digits and ._/#- and never a name; a reason is what the person will be told.';
    end if;

    v_wrong := case
        when p_until is null or p_until <= v_opened_at then 'support access needs an end that is still to come'
        when p_until > v_opened_at + v_terms.longest then
            pg_catalog.format(
                'support access ends within %s from now',
                (
                    select pg_catalog.string_agg(
                        pg_catalog.format('%s %s%s', part.number, part.unit, case when part.number <> 1 then 's' end),
                        ' '
                        order by part.place
                    )
                    from (
                        values
                            (1, extract(year from v_terms.longest), 'year'),
                            (2, extract(month from v_terms.longest), 'month'),
                            (3, extract(day from v_terms.longest), 'day'),
                            (4, extract(hour from v_terms.longest), 'hour'),
                            (5, extract(minute from v_terms.longest), 'minute'),
                            (6, pg_catalog.trim_scale(extract(second from v_terms.longest)), 'second')
                    ) as part (place, number, unit)
                    where part.number <> 0
                )
            )
    end;

    if v_wrong is not null then
        raise exception using
            errcode = 'ZE304',
            message = v_wrong,
            hint = 'Its longest is support.longest in audit.yaml; whoever needs longer opens access again, and says why.';
    end if;

    -- Who is being erased is waited for, and whoever erases waits for this grant, which then goes with the rest (forget_support).
    perform pg_catalog.pg_advisory_xact_lock_shared(
        pgerase_internal.support_lock(p_subject => p_subject, p_person => p_person)
    );

    -- Nobody, too, for whom the requirements of reading keep the person from: that there is one is not for him to know.
    select true, found.is_allowed
    into v_is_there, v_is_allowed
    from pgerase_internal.support_person(p_subject => p_subject, p_person => p_person, p_viewer => v_holder) as found
    where found.is_in_sight
        and not pgerase_internal.is_erased(p_subject => p_subject, p_key => p_person);

    if v_is_there is not true then
        raise exception using
            errcode = 'ZE305',
            message = 'there is nobody of this kind with this key',
            hint = 'A key is written as PostgreSQL prints it; a composite one as the text of a JSON array of such texts.';
    end if;

    if not v_is_glass and v_is_allowed is not true then
        raise exception using
            errcode = 'ZE303',
            message = 'the person does not allow support access',
            hint = 'Ask the person to switch it on. Where rules know of break-glass: open_break_glass, or --break-glass.';
    end if;

    if v_is_glass then
        -- One after the other for one holder, so that two sessions cannot both find nothing to be reviewed. One that still runs
        -- counts: a review cannot be put off by opening the next first.
        perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('pgerase.break_glass ' || v_holder, 0));

        if exists (
            select
            from pgerase_internal.support_grant as earlier
            where earlier.holder = v_holder
                and earlier.kind = 'break_glass'
                and earlier.review_due is not null
                and earlier.reviewed_at is null
                -- What opened something, or still may: one that nobody approved before it was over never did.
                and (
                    earlier.approved_at is not null
                    or not earlier.second_person
                    or (earlier.closed_at is null and earlier.until > v_opened_at)
                )
        ) then
            raise exception using
                errcode = 'ZE306',
                message = 'an earlier break-glass access has not been reviewed',
                hint = 'Close it; somebody else who may break the glass reviews it: review_support, or pgerase support review.';
        end if;
    end if;

    -- What could be seen is told by what was opened then, whatever the rules say later.
    select announcing.links
    into strict v_links
    from pgerase_internal.announcing() as announcing;

    insert into pgerase_internal.support_grant (
        kind,
        holder,
        subject,
        person,
        reason,
        ticket,
        links,
        opened_at,
        opened_xact,
        until,
        second_person,
        review_within,
        review_due
    )
    values (
        p_kind,
        v_holder,
        p_subject,
        p_person,
        v_reason,
        p_ticket,
        v_links,
        v_opened_at,
        pg_catalog.pg_current_xact_id(),
        p_until,
        v_is_glass and v_terms.second_person,
        case when v_is_glass then v_terms.review_within end,
        case when v_is_glass then p_until + v_terms.review_within end
    )
    returning grant_id into strict v_grant;

    perform pgerase_internal.note_support(
        p_grant => v_grant,
        p_action => case when v_is_glass then 'break_glass' else 'open' end,
        p_actor => v_holder,
        p_new => pg_catalog.jsonb_build_object('ticket', p_ticket, 'until', p_until),
        p_value => pg_catalog.jsonb_build_object('reason', v_reason),
        p_announced => case when v_is_glass then 'break_glass_opened' else 'opened' end
    );
    return v_grant;
end;
$$;

comment on function pgerase_internal.open_grant(text, text, text, text, text, text, timestamptz) is 'Opens support access to one person''s data for this holder, and returns the number of the grant.';

revoke all on function pgerase_internal.open_grant(text, text, text, text, text, text, timestamptz) from public;
