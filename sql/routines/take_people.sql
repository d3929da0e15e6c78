-- Picks the next people a request waits for, in key order, and locks them until the transaction ends. Security definer
-- because the register is closed. Two operators never get the same person: whom another one has is left out, or, with
-- p_wait, waited for.
create or replace function pgerase_internal.take_people(p_request bigint, p_size integer, p_wait boolean)
    returns text[]
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_keys text[];
begin
    perform pgerase_internal.assert_open(p_request => p_request);

    if p_wait then
        select pg_catalog.array_agg(taken.key order by taken.key)
        into strict v_keys
        from (
            select person.key
            from pgerase_internal.request_person as person
            where person.request_id = p_request
                and person.state = 'pending'
            order by person.key
            limit p_size
            for update
        ) as taken;
    else
        select pg_catalog.array_agg(taken.key order by taken.key)
        into strict v_keys
        from (
            select person.key
            from pgerase_internal.request_person as person
            where person.request_id = p_request
                and person.state = 'pending'
            order by person.key
            limit p_size
            for update skip locked
        ) as taken;
    end if;

    return coalesce(v_keys, array[]::text[]);
end;
$$;

comment on function pgerase_internal.take_people(bigint, integer, boolean) is 'Locks and returns the next pending people of a request.';

revoke all on function pgerase_internal.take_people(bigint, integer, boolean) from public;
