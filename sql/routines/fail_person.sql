-- Notes that somebody could not be erased, by SQLSTATE and the names of objects: never by a message, which may hold values.
-- Security definer because the register is closed. False where the person is no longer pending.
create or replace function pgerase_internal.fail_person(
    p_request bigint,
    p_key text,
    p_sqlstate text,
    p_relation text,
    p_constraint text
)
    returns boolean
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    perform pgerase_internal.assert_open(p_request => p_request);

    -- Nobody can say anything here but the code of an error and the names of objects there are.
    if p_sqlstate is null or p_sqlstate !~ '^[0-9A-Z]{5}$' then
        raise exception using
            errcode = 'ZE111',
            message = 'a failure is noted by its SQLSTATE';
    end if;

    update pgerase_internal.request_person as one
    set
        state = 'failed',
        failed_at = pg_catalog.now(),
        sqlstate = p_sqlstate,
        failed_relation = (
            select pg_catalog.min(pg_catalog.format('%I.%I', home.nspname, known.relname))
            from pg_catalog.pg_class as known
                join pg_catalog.pg_namespace as home on home.oid = known.relnamespace
            where p_relation in (
                pg_catalog.format('%I.%I', home.nspname, known.relname),
                pg_catalog.concat(home.nspname, '.', known.relname)
            )
        ),
        failed_constraint = (
            select pg_catalog.min(known.conname::text)
            from pg_catalog.pg_constraint as known
            where known.conname = p_constraint
        )
    where one.request_id = p_request
        and one.key = p_key
        and one.state = 'pending';

    return found;
end;
$$;

comment on function pgerase_internal.fail_person(bigint, text, text, text, text) is 'Notes why somebody could not be erased.';

revoke all on function pgerase_internal.fail_person(bigint, text, text, text, text) from public;
