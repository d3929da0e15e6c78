-- Closes support access: its holder, the person whose data it is, a super admin; with nobody named, an operator. Security definer
-- because grants are closed. It ends with the holder's next statement; what was read before, and cursors, it cannot take back.
create or replace function pgerase_internal.close_grant(p_grant bigint, p_by text)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_closed_at constant timestamptz := pg_catalog.statement_timestamp();
    v_holder text;
    v_subject text;
    v_person text;
    v_by text;
    v_is_super_admin boolean;
    v_concerned text;
    v_is_in_sight boolean;
begin
    select open.holder, open.subject, open.person
    into v_holder, v_subject, v_person
    from pgerase_internal.support_grant as open
    where open.grant_id = p_grant
        and open.closed_at is null
        and open.until > v_closed_at
    for update;

    if p_by is not null then
        select found.viewer, found.is_super_admin
        into v_by, v_is_super_admin
        from pgerase_internal.support_viewer(p_key => p_by) as found;

        select found.viewer
        into v_concerned
        from pgerase_internal.support_person(p_subject => v_subject, p_person => v_person, p_viewer => v_by) as found;

        v_is_in_sight := pgerase_internal.grant_in_sight(p_grant => p_grant, p_viewer => v_by);
    end if;

    -- The same answer for what there is not and for what is not theirs. Holders may end their own access whomever it is to.
    if v_holder is null
        or p_by is not null and (v_by = v_holder or v_by = v_concerned or v_is_super_admin and v_is_in_sight) is not true
    then
        raise exception using
            errcode = 'ZE307',
            message = 'there is no open support access of this number that you may close',
            hint = 'Its holder closes it, the person whose data it is, or a super admin.';
    end if;

    update pgerase_internal.support_grant as closed
    set
        closed_by = v_by,
        closed_at = v_closed_at,
        review_due = v_closed_at + closed.review_within
    where closed.grant_id = p_grant;

    perform pgerase_internal.note_support(
        p_grant => p_grant,
        p_action => 'close',
        p_actor => v_by,
        p_new => null,
        p_value => null,
        p_announced => 'closed'
    );
end;
$$;

comment on function pgerase_internal.close_grant(bigint, text) is 'Closes support access before its end.';

revoke all on function pgerase_internal.close_grant(bigint, text) from public;
