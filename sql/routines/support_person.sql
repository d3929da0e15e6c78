-- Whether there is such a person, whether he allows the staff to look, who he is as a viewer (null where he cannot be one), and
-- whether the requirements of reading leave him to this viewer. Of no subject: a viewer. Asks the function that is generated from
-- the rules, which reads people blindly.
create or replace function pgerase_internal.support_person(p_subject text, p_person text, p_viewer text)
    returns table (person text, is_allowed boolean, viewer text, is_in_sight boolean)
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
        'select found.person, found.is_allowed, found.viewer, found.is_in_sight'
        ' from %I.concerned_person(p_subject => $1, p_person => $2, p_viewer => $3) as found',
        'pgerase_lookup'
    )
    using p_subject, p_person, p_viewer;
end;
$$;

comment on function pgerase_internal.support_person(text, text, text) is 'Returns whether there is such a person, whether he allows support access, and whether this viewer may know of him.';

revoke all on function pgerase_internal.support_person(text, text, text) from public;
