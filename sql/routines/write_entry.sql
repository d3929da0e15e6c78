-- Writes an entry about something that is no captured table, such as support access. Security definer because the log is
-- closed; for routines of the ledger, which say who the actor is. What is somebody's goes apart, for the person to be erased.
create or replace function pgerase_log.write_entry(
    p_class text,
    p_relation text,
    p_action text,
    p_actor text,
    p_grant bigint,
    p_new jsonb,
    p_subject text,
    p_person text,
    p_value jsonb
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
    -- Before the number is drawn: the seal counts on it that whoever has a number has a transaction as well.
    v_xact constant xid8 := pg_catalog.pg_current_xact_id();
    v_at constant timestamptz := pg_catalog.clock_timestamp();
    v_entry bigint;
begin
    insert into pgerase_log.entry (class, at, xact, relation, action, actor, login, role, grant_id, new, parts)
    values (
        p_class,
        v_at,
        v_xact,
        p_relation,
        p_action,
        p_actor,
        session_user,
        nullif(pg_catalog.current_setting('role'), 'none'),
        p_grant,
        p_new,
        case when p_subject is null then 0 else 1 end
    )
    returning entry.entry_id into v_entry;

    if p_subject is not null then
        insert into pgerase_log.value (class, at, entry_id, part, subject, person, new)
        values (p_class, v_at, v_entry, 1, p_subject, p_person, p_value);
    end if;

    return v_entry;
end;
$$;

comment on function pgerase_log.write_entry(text, text, text, text, bigint, jsonb, text, text, jsonb) is 'Writes an entry about something that is no captured table, and returns its number.';

revoke all on function pgerase_log.write_entry(text, text, text, text, bigint, jsonb, text, text, jsonb) from public;
grant execute on function pgerase_log.write_entry(text, text, text, text, bigint, jsonb, text, text, jsonb) to pgerase_secret;
