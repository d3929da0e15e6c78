-- Approves break-glass access, which until then opens nothing: a second person who may break the glass as well. Security definer
-- because grants are closed.
create or replace function pgerase_internal.approve_grant(p_grant bigint, p_by text)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_by text;
    v_may boolean;
    v_holder text;
begin
    select found.viewer, found.may_break_glass
    into v_by, v_may
    from pgerase_internal.support_viewer(p_key => p_by) as found;

    select waiting.holder
    into v_holder
    from pgerase_internal.support_grant as waiting
    where waiting.grant_id = p_grant
        and waiting.second_person
        and waiting.approved_at is null
        and waiting.closed_at is null
        and waiting.until > pg_catalog.statement_timestamp()
        and v_may
        and pgerase_internal.grant_in_sight(p_grant => waiting.grant_id, p_viewer => v_by)
    for update;

    if v_may is not true or v_holder = v_by then
        raise exception using
            errcode = 'ZE302',
            message = 'you may not approve this support access',
            hint = 'Somebody else does who may break the glass, never the holder.';
    end if;

    if v_holder is null then
        raise exception using
            errcode = 'ZE307',
            message = 'there is no support access of this number that waits for approval',
            hint = 'list_support, or pgerase support list, shows what there is.';
    end if;

    update pgerase_internal.support_grant as approved
    set
        approved_by = v_by,
        approved_at = pg_catalog.statement_timestamp(),
        approved_xact = pg_catalog.pg_current_xact_id()
    where approved.grant_id = p_grant;

    perform pgerase_internal.note_support(
        p_grant => p_grant,
        p_action => 'approve',
        p_actor => v_by,
        p_new => null,
        p_value => null,
        p_announced => 'approved'
    );
end;
$$;

comment on function pgerase_internal.approve_grant(bigint, text) is 'Approves break-glass access as a second person.';

revoke all on function pgerase_internal.approve_grant(bigint, text) from public;
