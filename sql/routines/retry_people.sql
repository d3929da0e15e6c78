-- Makes those who failed pending again, without the counts that may have made them fail: they are planned anew. Security
-- definer because the register is closed.
create or replace function pgerase_internal.retry_people(p_request bigint)
    returns bigint
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_count bigint;
begin
    perform pgerase_internal.assert_open(p_request => p_request);

    delete from pgerase_internal.request_count as counted
    using pgerase_internal.request_person as one
    where counted.request_id = p_request
        and one.request_id = counted.request_id
        and one.key = counted.key
        and one.state = 'failed';

    update pgerase_internal.request_person as one
    set
        state = 'pending',
        planned_at = null,
        planned_after = null,
        failed_at = null,
        sqlstate = null,
        failed_relation = null,
        failed_constraint = null
    where one.request_id = p_request
        and one.state = 'failed';

    get diagnostics v_count = row_count;
    return v_count;
end;
$$;

comment on function pgerase_internal.retry_people(bigint) is 'Makes the people of a request who failed pending again, and returns how many.';

revoke all on function pgerase_internal.retry_people(bigint) from public;
