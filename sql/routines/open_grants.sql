-- The grants by which this viewer may look at people of a kind, as far as grants tell: committed by other transactions, approved
-- where they have to be, not closed, not over. Views of support access ask it, which know the rules besides. Security definer
-- because grants are closed. Of what is visible only the transaction's own is in progress: asked like this, rather than by its
-- number, which no parallel plan may ask for. A transaction that is still to come is another server's, and opens nothing.
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
            case
                when given.approved_xact < seen.bound
                then pg_catalog.pg_xact_status(given.approved_xact) is distinct from 'in progress'
                else false
            end as is_approved
        from pgerase_internal.support_grant as given
            cross join pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()) as seen (bound)
        where given.holder = p_holder
            and given.subject = p_subject
            and given.until > pg_catalog.statement_timestamp()
            and given.closed_at is null
            and given.forgotten_at is null
            and case
                when given.opened_xact < seen.bound
                then pg_catalog.pg_xact_status(given.opened_xact) is distinct from 'in progress'
                else false
            end
    ) as known
    where known.is_approved
        or not known.second_person;
end;
$$;

comment on function pgerase_internal.open_grants(text, text) is 'Returns the open support grants of a viewer about people of one kind.';

revoke all on function pgerase_internal.open_grants(text, text) from public;
grant execute on function pgerase_internal.open_grants(text, text) to pgerase_lookup;
