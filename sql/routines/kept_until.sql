-- Until when something is kept that ends at this time: months and days counted in UTC, and infinity where no time is so late.
create or replace function pgerase_log.kept_until(p_at timestamptz, p_keep interval)
    returns timestamptz
    language plpgsql
    stable
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    return (p_at at time zone 'UTC' + p_keep) at time zone 'UTC';
exception
    when datetime_field_overflow or interval_field_overflow then
        return 'infinity';
end;
$$;

comment on function pgerase_log.kept_until(timestamptz, interval) is 'Until when something is kept that ends at this time, or infinity.';

revoke all on function pgerase_log.kept_until(timestamptz, interval) from public;
