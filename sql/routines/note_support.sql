-- Notes in the log what was done about a support grant, and has it announced. The reason, and what else is the person's, is kept
-- apart there, so that it goes when the person is erased; of whoever is erased already nothing is noted but the grant's number.
create or replace function pgerase_internal.note_support(
    p_grant bigint,
    p_action text,
    p_actor text,
    p_new jsonb,
    p_value jsonb,
    p_announced text
)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_subject text;
    v_person text;
    v_is_forgotten boolean;
begin
    -- Erasing that began is waited for.
    select noted.subject, noted.person, noted.forgotten_at is not null
    into strict v_subject, v_person, v_is_forgotten
    from pgerase_internal.support_grant as noted
    where noted.grant_id = p_grant
    for share;

    perform pgerase_log.write_entry(
        p_class => 'support',
        p_relation => 'support',
        p_action => p_action,
        p_actor => p_actor,
        p_grant => p_grant,
        p_new => p_new,
        p_subject => case when not v_is_forgotten then v_subject end,
        p_person => case when not v_is_forgotten then v_person end,
        p_value => case when not v_is_forgotten then p_value end
    );

    if p_announced is not null then
        perform pgerase_internal.announce(p_kind => p_announced, p_grant => p_grant);
    end if;
end;
$$;

comment on function pgerase_internal.note_support(bigint, text, text, jsonb, jsonb, text) is 'Notes what was done about a support grant, and has it announced.';

revoke all on function pgerase_internal.note_support(bigint, text, text, jsonb, jsonb, text) from public;
