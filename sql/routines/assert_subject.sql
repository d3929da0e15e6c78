-- Raises unless the data map that was applied has people of this kind: names become part of the names of functions.
create or replace function pgerase_internal.assert_subject(p_subject text)
    returns void
    language plpgsql
    stable
    parallel safe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_known text;
begin
    if pg_catalog.octet_length(p_subject) between 1 and 50
        and pg_catalog.to_regprocedure(
            pg_catalog.format('%I.%I(text[])', 'pgerase_eraser', pg_catalog.concat('status_', p_subject))
        ) is not null
    then
        return;
    end if;

    -- The longest name there is makes a function's name of 57 bytes, so none of them is cut.
    select pg_catalog.string_agg(pg_catalog.substr(routine.proname, 8), ', ' order by routine.proname)
    into strict v_known
    from pg_catalog.pg_proc as routine
        join pg_catalog.pg_namespace as schema on schema.oid = routine.pronamespace
    where schema.nspname = 'pgerase_eraser'
        and pg_catalog.starts_with(routine.proname, 'status_')
        and pg_catalog.oidvectortypes(routine.proargtypes) = 'text[]';

    raise exception using
        errcode = 'ZE110',
        message = case
            when v_known is null then 'there is no such subject, as no data map was applied'
            else 'the data map that was applied has no such subject'
        end,
        hint = coalesce('There is: ' || v_known || '. ', '')
            || 'Subjects are named in data_map.yaml; pgerase apply makes their functions.';
end;
$$;

comment on function pgerase_internal.assert_subject(text) is 'Raises an error unless the applied data map has this subject.';

revoke all on function pgerase_internal.assert_subject(text) from public;
