-- Which person of the data map the viewer is: none where nobody is identified, or audit.yaml has no support access. Security
-- definer because only the ledger's owner may ask the generated function.
create or replace function pgerase_internal.own_person()
    returns table (subject text, person text)
    language plpgsql
    stable
    parallel safe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    -- Made by apply.
    if pg_catalog.to_regprocedure(pg_catalog.format('%I.own_person()', 'pgerase_lookup')) is not null then
        return query
        select self.subject, self.person
        from pgerase_lookup.own_person() as self;
    end if;
end;
$$;

comment on function pgerase_internal.own_person() is 'Returns which person of the data map the viewer is.';

revoke all on function pgerase_internal.own_person() from public;
