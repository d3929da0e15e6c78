-- Takes one message that is due, for somebody to post it. It stays in the outbox and is due again when the time given is over, so
-- that whoever is killed after this loses nothing: it is posted once more, with the same number. Security definer because the
-- outbox is closed. Nothing is locked while it is posted; any number of sessions may take messages, each another one. Of whoever
-- is erased nothing is posted.
create or replace function pgerase_internal.take_message(p_kinds text[], p_for interval)
    returns table (
        message uuid,
        attempt integer,
        kind text,
        event text,
        grant_id bigint,
        subject text,
        person text,
        said text
    )
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    return query
    with due as materialized (
        select waiting.message_id
        from pgerase_internal.outbox as waiting
        where waiting.kind = any (p_kinds)
            and waiting.next_attempt_at <= pg_catalog.clock_timestamp()
            and (
                waiting.kind <> 'person'
                or exists (
                    select
                    from pgerase_internal.support_grant as given
                    where given.grant_id = waiting.grant_id
                        and given.forgotten_at is null
                )
            )
        order by waiting.next_attempt_at, waiting.created_at
        limit 1
        for update skip locked
    ),
    taken as (
        update pgerase_internal.outbox as one
        set
            attempts = one.attempts + 1,
            next_attempt_at = pg_catalog.clock_timestamp() + p_for
        from due
        where one.message_id = due.message_id
        returning one.message_id, one.attempts, one.kind, one.event, one.grant_id
    )
    select
        taken.message_id,
        taken.attempts,
        taken.kind,
        taken.event,
        taken.grant_id,
        case when given.forgotten_at is null then given.subject::text end,
        case when given.forgotten_at is null then given.person::text end,
        pgerase_internal.message_text(p_kind => taken.kind, p_event => taken.event, p_grant => taken.grant_id)
    from taken
        join pgerase_internal.support_grant as given on given.grant_id = taken.grant_id;
end;
$$;

comment on function pgerase_internal.take_message(text[], interval) is 'Takes a message that is due, if there is one.';

revoke all on function pgerase_internal.take_message(text[], interval) from public;
