-- The newest support grant that a viewer holds open, for the entries of what he writes meanwhile; null without one. Security
-- definer because grants are closed. One that this transaction opened is none yet.
create or replace function pgerase.held_grant(p_holder text)
    returns bigint
    language plpgsql
    stable
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    return (
        select pg_catalog.max(given.grant_id)
        from pgerase_internal.support_grant as given
        where given.holder = p_holder
            and given.until > pg_catalog.statement_timestamp()
            and given.closed_at is null
            and given.forgotten_at is null
            and given.opened_xact is distinct from pg_catalog.pg_current_xact_id_if_assigned()
            and (
                not given.second_person
                or (
                    given.approved_xact is not null
                    and given.approved_xact is distinct from pg_catalog.pg_current_xact_id_if_assigned()
                )
            )
    );
end;
$$;

comment on function pgerase.held_grant(text) is 'Returns the newest support grant that a viewer holds open; null without one.';

revoke all on function pgerase.held_grant(text) from public;
grant execute on function pgerase.held_grant(text) to pgerase_keeper;
