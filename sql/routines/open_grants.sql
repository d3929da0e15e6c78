-- The grants by which this viewer may look at people of a kind, as far as grants tell: committed by other transactions, approved
-- where they have to be, not closed, not over. Views of support access ask it, which know the rules besides. Security definer
-- because grants are closed. A transaction has a number once it has written, and its own grants have that one.
create or replace function pgerase_internal.open_grants(p_holder text, p_subject text)
    returns table (grant_id bigint, is_break_glass boolean, is_approved boolean, person text)
    language plpgsql
    stable
    parallel safe
    rows 1
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    return query
    select known.grant_id, known.kind = 'break_glass', known.is_approved, known.person::text
    from (
        select
            given.*,
            given.approved_xact is not null
                and given.approved_xact is distinct from pg_catalog.pg_current_xact_id_if_assigned() as is_approved
        from pgerase_internal.support_grant as given
        where given.holder = p_holder
            and given.subject = p_subject
            and given.until > pg_catalog.statement_timestamp()
            and given.closed_at is null
            and given.forgotten_at is null
            and given.opened_xact is distinct from pg_catalog.pg_current_xact_id_if_assigned()
    ) as known
    where known.is_approved
        or not known.second_person;
end;
$$;

comment on function pgerase_internal.open_grants(text, text) is 'Returns the open support grants of a viewer about people of one kind.';

revoke all on function pgerase_internal.open_grants(text, text) from public;
grant execute on function pgerase_internal.open_grants(text, text) to pgerase_lookup;
