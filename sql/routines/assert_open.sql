-- Raises unless this erasure request is open, and keeps it from being closed until the transaction ends. Returns its subject.
create or replace function pgerase_internal.assert_open(p_request bigint)
    returns text
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_subject text;
begin
    select request.subject
    into v_subject
    from pgerase_internal.request as request
    where request.request_id = p_request
        and request.kind = 'erasure'
        and request.closed_at is null
    for key share;

    if not found then
        raise exception using
            errcode = 'ZE113',
            message = 'there is no open erasure request of this number',
            hint = 'pgerase request list --all shows every request.';
    end if;

    perform pgerase_internal.assert_subject(p_subject => v_subject);
    return v_subject;
end;
$$;

comment on function pgerase_internal.assert_open(bigint) is 'Returns the subject of an open erasure request, or raises an error.';

revoke all on function pgerase_internal.assert_open(bigint) from public;
