-- Says on whose behalf the rest of this transaction runs. As trustworthy as the login that calls it.
-- Outside a transaction block it would be forgotten at once and every later statement would see nothing. The server tells
-- a function nothing about that, so only the certain case raises: a simple query, nothing but this call, that is the first
-- thing its transaction does. In the extended protocol a pipeline may still follow, so there it fails closed instead.
create or replace function pgerase.become(p_viewer text)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = ''
as $$
#variable_conflict error
begin
    if p_viewer is null or p_viewer = '' then
        raise exception using
            errcode = 'ZE001',
            message = 'no viewer given',
            hint = 'Pass the key of the person this transaction runs for; pgerase.forget() takes an identity away.';
    end if;

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

    perform pg_catalog.set_config(
        'pgerase.viewer',
        p_viewer || '@' || extract(epoch from pg_catalog.now())::pg_catalog.text,
        true
    );

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

comment on function pgerase.become(text) is 'Makes the rest of this transaction run for the viewer with this key.';

revoke all on function pgerase.become(text) from public;
grant execute on function pgerase.become(text) to pgerase_viewer;
