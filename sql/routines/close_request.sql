-- Closes a request, as done or withdrawn. Security definer because the register is closed.
-- An erasure is not done while anybody is left; what was done already stays done where a request is withdrawn.
create or replace function pgerase_internal.close_request(p_request bigint, p_outcome text)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_kind text;
    v_left bigint;
begin
    if p_outcome is null or p_outcome not in ('done', 'withdrawn') then
        raise exception using
            errcode = 'ZE111',
            message = 'a request is closed as done or withdrawn';
    end if;

    -- Whoever is erasing for this request holds it, so this waits for the batch to end.
    select request.kind
    into v_kind
    from pgerase_internal.request as request
    where request.request_id = p_request
        and request.closed_at is null
    for update;

    if not found then
        raise exception using
            errcode = 'ZE113',
            message = 'there is no open request of this number',
            hint = 'pgerase request list --all shows every request.';
    end if;

    select pg_catalog.count(*)
    into strict v_left
    from pgerase_internal.request_person as person
    where person.request_id = p_request
        and person.state <> 'done';

    if v_kind = 'erasure' and p_outcome = 'done' and v_left > 0 then
        raise exception using
            errcode = 'ZE114',
            message = pg_catalog.format('%s people of this request are not erased', v_left),
            hint = 'Erase them, or close the request as withdrawn.';
    end if;

    update pgerase_internal.request as request
    set
        closed_at = pg_catalog.now(),
        outcome = p_outcome
    where request.request_id = p_request;
end;
$$;

comment on function pgerase_internal.close_request(bigint, text) is 'Closes a request as done or withdrawn.';

revoke all on function pgerase_internal.close_request(bigint, text) from public;
