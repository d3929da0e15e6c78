-- Whether a viewer may know of support access to this person: not where the requirements of reading keep the person from him.
-- Of a person who is erased or gone nothing may be left that requirements could ask: then it is the holder who must not be kept
-- from him, so that somebody can still review it.
create or replace function pgerase_internal.grant_in_sight(p_grant bigint, p_viewer text)
    returns boolean
    language plpgsql
    stable
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_holder text;
    v_is_forgotten boolean;
    v_is_in_sight boolean;
begin
    select looked_at.holder, looked_at.forgotten_at is not null, concerned.is_in_sight
    into v_holder, v_is_forgotten, v_is_in_sight
    from pgerase_internal.support_grant as looked_at
        left join lateral pgerase_internal.support_person(
            p_subject => looked_at.subject,
            p_person => looked_at.person,
            p_viewer => p_viewer
        ) as concerned on true
    where looked_at.grant_id = p_grant;

    if v_is_in_sight or v_is_in_sight is not null and not v_is_forgotten then
        return v_is_in_sight;
    end if;

    return exists (
        select
        from pgerase_internal.support_person(p_subject => null, p_person => v_holder, p_viewer => p_viewer) as holder
        where holder.is_in_sight
    );
end;
$$;

comment on function pgerase_internal.grant_in_sight(bigint, text) is 'Returns whether a viewer may know of this support access.';

revoke all on function pgerase_internal.grant_in_sight(bigint, text) from public;
