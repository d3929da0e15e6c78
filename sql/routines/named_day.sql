-- The day that a partition's name ends in, midnight in UTC, which it began with; null where it ends in none. A name that somebody
-- gave may end in a day that there is not: 0231 is 3 March.
create or replace function pgerase_log.named_day(p_relation text)
    returns timestamptz
    language sql
    immutable
    parallel safe
    security invoker
begin atomic
    select
        (
            timestamp '0001-01-01'
            + pg_catalog.make_interval(
                years => found.parts[1]::integer - 1,
                months => found.parts[2]::integer - 1,
                days => found.parts[3]::integer - 1
            )
        ) at time zone 'UTC'
    from pg_catalog.regexp_match(named_day.p_relation, '_([0-9]{4})([0-9]{2})([0-9]{2})$') as found (parts);
end;

comment on function pgerase_log.named_day(text) is 'Returns the day that a partition''s name ends in.';

revoke all on function pgerase_log.named_day(text) from public;
