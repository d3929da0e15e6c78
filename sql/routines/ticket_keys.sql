-- The keys of the rows that a ticket is for: to its holder alone, while the grant is open, and not in the transaction that
-- took it, which could be rolled back. The generated functions that return the rows ask it. Security definer because tickets
-- are closed; what it returns are keys that the log has by then.
create or replace function pgerase.ticket_keys(p_ticket uuid, p_resource text)
    returns text[]
    language plpgsql
    stable
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_keys text[];
begin
    select taken.keys
    into v_keys
    from pgerase_internal.support_viewer(p_key => pgerase.current_viewer()) as me
        join pgerase_internal.support_grant as held on held.holder = me.viewer
        join pgerase_internal.support_ticket as taken on taken.grant_id = held.grant_id
        cross join pgerase_internal.support_terms() as terms
        cross join lateral pgerase_internal.open_grants(p_holder => held.holder, p_subject => held.subject) as open
        cross join lateral pgerase_internal.support_person(
            p_subject => held.subject,
            p_person => held.person,
            p_viewer => me.viewer
        ) as found
    where taken.ticket = p_ticket
        and taken.resource = p_resource
        and taken.taken_xact is distinct from pg_catalog.pg_current_xact_id_if_assigned()
        and open.grant_id = held.grant_id
        and found.is_in_sight
        and case
            when open.is_break_glass then me.may_break_glass and (open.is_approved or not terms.second_person)
            else me.may_support and found.is_allowed
        end;

    if v_keys is null then
        raise exception using
            errcode = 'ZE308',
            message = 'there is no such ticket for you',
            hint = 'A ticket is good for its holder, while the grant is open, after the transaction that took it.';
    end if;
    return v_keys;
end;
$$;

comment on function pgerase.ticket_keys(uuid, text) is 'Returns the keys of the rows that a ticket for reading under a support grant is for.';

revoke all on function pgerase.ticket_keys(uuid, text) from public;
grant execute on function pgerase.ticket_keys(uuid, text) to pgerase_viewer;
