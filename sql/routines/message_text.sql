-- What a message says. The channel is often somebody else's server, so it is told the number of the grant and its ticket, but
-- not whose data it is, who looks and why: who has to know looks the number up. The person is told the reason.
create or replace function pgerase_internal.message_text(p_kind text, p_event text, p_grant bigint)
    returns text
    language plpgsql
    stable
    parallel safe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_grant record;
    v_access text;
    v_why text;
begin
    select
        given.kind = 'break_glass' as glass,
        given.subject,
        given.second_person and given.approved_at is null as unapproved,
        given.verdict,
        given.reason,
        given.ticket,
        pg_catalog.to_char(given.opened_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') as opened,
        pg_catalog.to_char(given.until at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') as until,
        pg_catalog.to_char(given.closed_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') as closed,
        pg_catalog.to_char(given.review_due at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') as due
    into v_grant
    from pgerase_internal.support_grant as given
    where given.grant_id = p_grant;

    if p_kind = 'person' then
        v_access := case when v_grant.glass then 'access to your data without your consent' else 'access to your data' end;
        v_why := pg_catalog.concat(
            ' Reason: ' || v_grant.reason || case when v_grant.reason !~ '[.!?]$' then '.' else '' end,
            ' Ticket: ' || v_grant.ticket || '.'
        );
        return case p_event
            when 'closed' then pg_catalog.format('Support''s %s ended on %s.', v_access, v_grant.closed)
            when 'expired' then pg_catalog.format('Support''s %s ended on %s.', v_access, v_grant.until)
            else pg_catalog.format('Support has %s until %s.%s', v_access, v_grant.until, v_why)
        end;
    end if;

    v_access := pg_catalog.format(
        '%s %s to the data of one %s%s',
        case when v_grant.glass then 'Break-glass access' else 'Support access' end,
        p_grant,
        v_grant.subject,
        ' (ticket ' || v_grant.ticket || ')'
    );
    return case p_event
        when 'opened' then pg_catalog.format('%s was opened until %s.', v_access, v_grant.until)
        when 'break_glass_opened' then pg_catalog.format(
            '%s was %s until %s, without asking the person.%s',
            v_access,
            case when v_grant.unapproved then 'asked for, and a second person has to approve it,' else 'opened' end,
            v_grant.until,
            ' To be reviewed by ' || v_grant.due || '.'
        )
        when 'approved' then pg_catalog.format(
            '%s was approved by a second person: it is open until %s.',
            v_access,
            v_grant.until
        )
        when 'closed' then pg_catalog.format('%s was closed on %s.', v_access, v_grant.closed)
        when 'expired' then pg_catalog.format('%s expired on %s.', v_access, v_grant.until)
        when 'reviewed' then pg_catalog.format('%s was reviewed: %s.', v_access, v_grant.verdict)
        when 'review_overdue' then pg_catalog.format('%s should have been reviewed by %s.', v_access, v_grant.due)
    end;
end;
$$;

comment on function pgerase_internal.message_text(text, text, bigint) is 'Returns what a message of the outbox says.';

revoke all on function pgerase_internal.message_text(text, text, bigint) from public;
