-- Keeps which rows somebody is going to read under a grant, and notes it in the log. Security definer because tickets are closed;
-- only the generated functions call it that have just looked up which rows these are.
create or replace function pgerase_internal.keep_ticket(p_grant bigint, p_resource text, p_keys text[])
    returns uuid
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_ticket constant uuid := pg_catalog.gen_random_uuid();
    v_holder text;
begin
    select held.holder
    into v_holder
    from pgerase_internal.support_grant as held
    where held.grant_id = p_grant
        and held.forgotten_at is null
    -- Erasing that began is waited for.
    for share;

    if not found then
        raise exception using
            errcode = 'ZE307',
            message = 'you have no open support access of this number',
            hint = 'The person was erased.';
    end if;

    insert into pgerase_internal.support_ticket (ticket, grant_id, resource, keys, taken_at, taken_xact)
    values (
        v_ticket,
        p_grant,
        p_resource,
        p_keys,
        pg_catalog.statement_timestamp(),
        pg_catalog.pg_current_xact_id()
    );

    perform pgerase_internal.note_support(
        p_grant => p_grant,
        p_action => 'read',
        p_actor => v_holder,
        p_new => pg_catalog.jsonb_build_object('resource', p_resource, 'rows', pg_catalog.cardinality(p_keys)),
        p_value => pg_catalog.jsonb_build_object('keys', pg_catalog.to_jsonb(p_keys)),
        p_announced => null
    );
    return v_ticket;
end;
$$;

comment on function pgerase_internal.keep_ticket(bigint, text, text[]) is 'Keeps which rows are going to be read under a grant, and returns the ticket.';

revoke all on function pgerase_internal.keep_ticket(bigint, text, text[]) from public;
grant execute on function pgerase_internal.keep_ticket(bigint, text, text[]) to pgerase_lookup;
