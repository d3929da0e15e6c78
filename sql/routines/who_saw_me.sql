-- Who of the staff could look at the viewer's own data, when and why, and the tickets taken. Security definer because the
-- register of grants is closed. It takes no argument: whose data it is follows from the identity alone.
create or replace function pgerase.who_saw_me()
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
    return query
    select
        seen.access,
        seen.kind,
        seen.since,
        seen.until,
        seen.closed_at,
        seen.reason,
        seen.ticket,
        seen.reachable,
        seen.returned,
        seen.staff
    from pgerase_internal.own_person() as self
        cross join lateral pgerase_internal.who_saw(p_subject => self.subject, p_person => self.person) as seen
    order by seen.since desc, seen.access desc;
end;
$$;

comment on function pgerase.who_saw_me() is 'Returns who of the staff could look at the viewer''s own data, the last first.';

revoke all on function pgerase.who_saw_me() from public;
grant execute on function pgerase.who_saw_me() to pgerase_viewer;
