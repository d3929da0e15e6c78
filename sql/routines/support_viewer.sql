-- What a viewer may do about support access; no row for whoever is unknown or not active. Asks the function that is generated
-- from the rules, which reads people blindly.
create or replace function pgerase_internal.support_viewer(p_key text)
    returns table (viewer text, may_support boolean, may_break_glass boolean, is_super_admin boolean)
    language plpgsql
    stable
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    perform pgerase_internal.support_terms();

    return query execute pg_catalog.format(
        'select found.viewer, found.may_support, found.may_break_glass, found.is_super_admin'
        ' from %I.staff_member(p_key => $1) as found',
        'pgerase_lookup'
    )
    using p_key;
end;
$$;

comment on function pgerase_internal.support_viewer(text) is 'Returns what an active viewer may do about support access.';

revoke all on function pgerase_internal.support_viewer(text) from public;
