-- Notes what became of an attempt to post a message. Security definer because the outbox is closed. A status of 2xx is delivered,
-- whoever's attempt it was; one that is final is kept as failed; with any other, or none, it is due again: after a minute, two,
-- four, … an hour, or when the other side said, a day at most. An attempt that another has overtaken changes nothing.
create or replace function pgerase_internal.settle_message(
    p_message uuid,
    p_attempt integer,
    p_status integer,
    p_failure text,
    p_final boolean,
    p_retry_after interval
)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_delivered constant boolean := coalesce(p_status between 200 and 299, false);
begin
    update pgerase_internal.outbox as one
    set
        delivered_at = case when v_delivered then pg_catalog.clock_timestamp() end,
        failed_at = case when p_final and not v_delivered then pg_catalog.clock_timestamp() end,
        next_attempt_at = case
            when not v_delivered and not p_final
            then pg_catalog.clock_timestamp() + greatest(
                least(interval '1 minute' * pg_catalog.power(2, least(one.attempts - 1, 6)), interval '1 hour'),
                -- Null where the other side did not say; least alone would make a day of it.
                case when p_retry_after is not null then least(p_retry_after, interval '1 day') end
            )
        end,
        last_status = p_status,
        last_failure = p_failure
    where one.message_id = p_message
        and one.delivered_at is null
        and (v_delivered or (one.attempts = p_attempt and one.failed_at is null));
end;
$$;

comment on function pgerase_internal.settle_message(uuid, integer, integer, text, boolean, interval) is 'Notes what became of an attempt to post a message.';

revoke all on function pgerase_internal.settle_message(uuid, integer, integer, text, boolean, interval) from public;
