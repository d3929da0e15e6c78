-- Makes messages that were refused due again, and returns how many: for when the webhook has been put right. Security definer
-- because the outbox is closed.
create or replace function pgerase_internal.retry_messages()
    returns bigint
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_changed bigint;
begin
    update pgerase_internal.outbox as one
    set
        failed_at = null,
        next_attempt_at = pg_catalog.clock_timestamp()
    where one.failed_at is not null;

    get diagnostics v_changed = row_count;
    return v_changed;
end;
$$;

comment on function pgerase_internal.retry_messages() is 'Makes messages that were refused due again.';

revoke all on function pgerase_internal.retry_messages() from public;
