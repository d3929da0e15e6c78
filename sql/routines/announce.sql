-- Tells the team, and the person where audit.yaml says so, what became of a grant: in the caller's transaction, so that both
-- stand or fall together. The outbox is the record. The notification wakes whoever listens and says nothing but which message it
-- is: anyone may listen, and forge one. For other routines of the ledger only.
create or replace function pgerase_internal.announce(p_kind text, p_grant bigint)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_settings record;
    v_message uuid;
begin
    select announcing.notify, announcing.webhook_env, announcing.person
    into strict v_settings
    from pgerase_internal.announcing() as announcing;

    insert into pgerase_internal.outbox (kind, grant_id, event, next_attempt_at)
    values (
        'channel',
        p_grant,
        p_kind,
        case when v_settings.webhook_env is not null then pg_catalog.clock_timestamp() end
    )
    returning message_id into strict v_message;

    if v_settings.notify is not null then
        perform pg_catalog.pg_notify(v_settings.notify, v_message::text);
    end if;

    -- The person hears of what lets somebody look, and of its end: not of break-glass access that nobody approved. Nobody is left
    -- to be told who is erased.
    if v_settings.person
        and p_kind in ('opened', 'break_glass_opened', 'approved', 'closed', 'expired')
        and exists (
            select
            from pgerase_internal.support_grant as given
            where given.grant_id = p_grant
                and given.forgotten_at is null
                and (given.approved_at is not null or not given.second_person)
        )
    then
        insert into pgerase_internal.outbox (kind, grant_id, event, next_attempt_at)
        values ('person', p_grant, p_kind, pg_catalog.clock_timestamp())
        returning message_id into strict v_message;

        if v_settings.notify is not null then
            perform pg_catalog.pg_notify(v_settings.notify, v_message::text);
        end if;
    end if;
end;
$$;

comment on function pgerase_internal.announce(text, bigint) is 'Puts what became of a support grant into the outbox.';

revoke all on function pgerase_internal.announce(text, bigint) from public;
