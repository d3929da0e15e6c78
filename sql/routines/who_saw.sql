-- Who of the staff could look at one person's data, when and why, and the tickets taken. Security definer because the register
-- of grants is closed. Who it was is told only where audit.yaml says so: the reason and the time are the person's to know, a
-- colleague's name is his own (CJEU C-579/21). Break-glass access that nobody approved opened nothing and is left out.
create or replace function pgerase_internal.who_saw(p_subject text, p_person text)
    returns table (
        access bigint,
        kind text,
        since timestamptz,
        until timestamptz,
        closed_at timestamptz,
        reason text,
        ticket text,
        reachable text[],
        returned jsonb,
        staff text
    )
    language plpgsql
    stable
    parallel safe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    -- What the map no longer names may have been looked at all the same.
    if not exists (
        select
        from pgerase_internal.support_grant as earlier
        where earlier.subject = p_subject
    ) then
        perform pgerase_internal.assert_subject(p_subject => p_subject);
    end if;

    return query
    select
        given.grant_id,
        case given.kind when 'break_glass' then 'break glass' else 'support' end,
        coalesce(given.approved_at, given.opened_at),
        given.until,
        given.closed_at,
        given.reason,
        given.ticket,
        given.links,
        coalesce(returned.rows, '[]'),
        case when announcing.staff_names then given.holder::text end
    from pgerase_internal.support_grant as given
        cross join pgerase_internal.announcing() as announcing
        left join lateral (
            select
                pg_catalog.jsonb_agg(
                    pg_catalog.jsonb_build_object(
                        'at', taken.taken_at,
                        'resource', taken.resource,
                        -- Of somebody erased the keys are gone: how many there were is not told as none.
                        'rows', case when given.forgotten_at is null then pg_catalog.cardinality(taken.keys) end
                    )
                    order by taken.taken_at, taken.ticket
                ) as rows
            from pgerase_internal.support_ticket as taken
            where taken.grant_id = given.grant_id
        ) as returned on true
    where given.subject = p_subject
        and given.person = p_person
        and (given.approved_at is not null or not given.second_person)
    order by coalesce(given.approved_at, given.opened_at) desc, given.grant_id desc;
end;
$$;

comment on function pgerase_internal.who_saw(text, text) is 'Returns who of the staff could look at a person''s data, the last first.';

revoke all on function pgerase_internal.who_saw(text, text) from public;
