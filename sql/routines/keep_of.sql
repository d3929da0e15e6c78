-- How long entries of a class are kept; null where there is no such class. Security definer because the log is closed; for the
-- ledger, whose grants end with the entries about them.
create or replace function pgerase_log.keep_of(p_class text)
    returns interval
    language sql
    stable
    parallel safe
    security definer
begin atomic
    select known.keep
    from pgerase_log.class as known
    where known.class = keep_of.p_class;
end;

comment on function pgerase_log.keep_of(text) is 'Returns how long entries of a class are kept.';

revoke all on function pgerase_log.keep_of(text) from public;
grant execute on function pgerase_log.keep_of(text) to pgerase_secret;
