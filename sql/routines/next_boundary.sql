-- Where the partition ends that a moment lies in: midnight in UTC, of a Monday for weeks, of a first for months.
create or replace function pgerase_log.next_boundary(p_period text, p_at timestamptz)
    returns timestamptz
    language sql
    immutable
    parallel safe
    security invoker
return (
    pg_catalog.date_trunc(next_boundary.p_period, next_boundary.p_at at time zone 'UTC')
    + pg_catalog.concat('1 ', next_boundary.p_period)::interval
) at time zone 'UTC';

comment on function pgerase_log.next_boundary(text, timestamptz) is 'Returns where the partition of a day, week or month ends that a moment lies in.';

revoke all on function pgerase_log.next_boundary(text, timestamptz) from public;
