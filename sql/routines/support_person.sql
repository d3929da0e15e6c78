-- Whether there is such a person, whether he allows the staff to look, and who he is as a viewer (null where he cannot be one).
-- Asks the function that is generated from the rules, which reads people blindly.
create or replace function pgerase_internal.support_person(p_subject text, p_person text)
    returns table (person text, is_allowed boolean, viewer text)
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
        'select found.person, found.is_allowed, found.viewer'
        ' from %I.concerned_person(p_subject => $1, p_person => $2) as found',
        'pgerase_lookup'
    )
    using p_subject, p_person;
end;
$$;

comment on function pgerase_internal.support_person(text, text) is 'Returns whether there is such a person, and whether he allows support access.';

revoke all on function pgerase_internal.support_person(text, text) from public;
