-- Reviews break-glass access once it is over: somebody else who may break the glass. Until then its holder cannot break it again
-- where the rules ask for a review. Security definer because grants are closed.
create or replace function pgerase_internal.review_grant(p_grant bigint, p_by text, p_verdict text)
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

    select over.holder
    into v_holder
    from pgerase_internal.support_grant as over
    where over.grant_id = p_grant
        and over.kind = 'break_glass'
        and over.reviewed_at is null
        and (over.closed_at is not null or over.until <= pg_catalog.statement_timestamp())
        and v_may
        and pgerase_internal.grant_in_sight(p_grant => over.grant_id, p_viewer => v_by)
    for update;

    if v_may is not true or v_holder = v_by then
        raise exception using
            errcode = 'ZE302',
            message = 'you may not review this support access',
            hint = 'Somebody else does who may break the glass, never the holder.';
    end if;

    if p_verdict is null or p_verdict not in ('justified', 'unjustified') then
        raise exception using
            errcode = 'ZE304',
            message = 'a review finds support access justified or unjustified';
    end if;

    if v_holder is null then
        raise exception using
            errcode = 'ZE307',
            message = 'there is no break-glass access of this number that is over and not reviewed',
            hint = 'list_support, or pgerase support list, shows what there is. What is open is closed first.';
    end if;

    update pgerase_internal.support_grant as reviewed
    set
        reviewed_by = v_by,
        reviewed_at = pg_catalog.statement_timestamp(),
        verdict = p_verdict
    where reviewed.grant_id = p_grant;

    perform pgerase_internal.note_support(
        p_grant => p_grant,
        p_action => 'review',
        p_actor => v_by,
        p_new => pg_catalog.jsonb_build_object('verdict', p_verdict),
        p_value => null,
        p_announced => 'reviewed'
    );
end;
$$;

comment on function pgerase_internal.review_grant(bigint, text, text) is 'Reviews break-glass access that is over.';

revoke all on function pgerase_internal.review_grant(bigint, text, text) from public;
