-- What the rules say of support access: asks the function that is generated from audit.yaml, as long as there is one.
create or replace function pgerase_internal.support_terms()
    returns table (longest interval, has_break_glass boolean, second_person boolean, review_within interval)
    language plpgsql
    stable
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    if pg_catalog.to_regprocedure(pg_catalog.format('%I.terms_of_support()', 'pgerase_lookup')) is null then
        raise exception using
            errcode = 'ZE301',
            message = 'there is no support access here',
            hint = 'It is set up under support: in audit.yaml, and applied.';
    end if;

    return query execute pg_catalog.format(
        'select terms.longest, terms.has_break_glass, terms.second_person, terms.review_within'
        ' from %I.terms_of_support() as terms',
        'pgerase_lookup'
    );
end;
$$;

comment on function pgerase_internal.support_terms() is 'Returns what the rules say of support access, or raises an error.';

revoke all on function pgerase_internal.support_terms() from public;
