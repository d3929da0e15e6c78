-- Lists support access, as far as it is the viewer's business. Security definer because grants are closed. Nobody named
-- would be an operator, so nobody may be nobody here.
create or replace function pgerase.list_support()
    returns table (
        grant_id bigint,
        state text,
        kind text,
        holder text,
        subject text,
        person text,
        reason text,
        ticket text,
        opened_at timestamptz,
        until timestamptz,
        approved_by text,
        closed_by text,
        closed_at timestamptz,
        review_due timestamptz,
        reviewed_by text,
        verdict text
    )
    language plpgsql
    stable
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    if pgerase.current_viewer() is null then
        raise exception using
            errcode = 'ZE302',
            message = 'support access is for people, and the session is identified as nobody';
    end if;

    return query
    select listed.*
    from pgerase_internal.list_grants(p_by => pgerase.current_viewer()) as listed;
end;
$$;

comment on function pgerase.list_support() is 'Lists the viewer''s support access, and what he may approve, review or oversee.';

revoke all on function pgerase.list_support() from public;
grant execute on function pgerase.list_support() to pgerase_viewer;
