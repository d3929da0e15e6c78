-- What become has in common for identities that travel in a setting: presents one for the rest of the transaction.
-- Outside a transaction block it would be forgotten at once and every later statement would see nothing. The server tells
-- a function nothing about that, so only the certain case raises: a simple query, nothing but the call of become, that is the
-- first thing its transaction does. In the extended protocol a pipeline may still follow, so there it fails closed instead.
create or replace function pgerase.present(p_identity text)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    if pg_catalog.statement_timestamp() = pg_catalog.transaction_timestamp()
        and pg_catalog.current_query() ~* (
            '^\s*select\s+"?' || 'pgerase' || '"?\s*\.\s*become\s*\([^;()]*\)\s*;?\s*$'
        )
        and not exists (select from pg_catalog.pg_cursors as portal where portal.name = '')
    then
        raise exception using
            errcode = 'ZE002',
            message = 'pgerase.become was called outside a transaction',
            detail = 'The identity lasts as long as its transaction, and this one ends with the call.',
            hint = 'Send begin first, then the call and the statements it is for, then commit.';
    end if;

    perform pg_catalog.set_config('pgerase.viewer', p_identity, true);

    -- A hint for the planner, which decides nothing: whether this viewer may see everything. Known once a pack is applied.
    perform pg_catalog.set_config('pgerase.wide', '', true);
    if exists (
        select
        from pg_catalog.pg_proc as routine
            join pg_catalog.pg_namespace as home on home.oid = routine.pronamespace
        where home.nspname = 'pgerase' and routine.proname = 'has_authority'
    ) then
        if pgerase.has_authority('super admin') then
            perform pg_catalog.set_config('pgerase.wide', 'yes', true);
        end if;
    end if;
end;
$$;

comment on function pgerase.present(text) is 'Presents an identity for the rest of this transaction; it is believed as far as it proves itself.';

revoke all on function pgerase.present(text) from public;
grant execute on function pgerase.present(text) to pgerase_viewer;
