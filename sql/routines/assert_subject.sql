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
begin
    if pg_catalog.octet_length(p_subject) between 1 and 50
        and pg_catalog.to_regprocedure(
            pg_catalog.format('%I.%I(text[])', 'pgerase_eraser', pg_catalog.concat('status_', p_subject))
        ) is not null
    then
        return;
    end if;

    raise exception using
        errcode = 'ZE110',
        message = 'the data map that was applied has no such subject',
        hint = 'Subjects are named in data_map.yaml; pgerase apply makes their functions.';
end;
$$;

comment on function pgerase_internal.assert_subject(text) is 'Raises an error unless the applied data map has this subject.';

revoke all on function pgerase_internal.assert_subject(text) from public;
