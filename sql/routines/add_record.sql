-- Notes what was done to the log itself. Security definer because the log is closed; for the log's own routines and those of
-- the ledger. The body names tables, bounds and numbers, never what was in an entry.
create or replace function pgerase_log.add_record(p_kind text, p_body jsonb)
    returns bigint
    language sql
    volatile
    parallel unsafe
    security definer
begin atomic
    insert into pgerase_log.record (kind, body)
    values (add_record.p_kind, add_record.p_body)
    returning record.record_id;
end;

comment on function pgerase_log.add_record(text, jsonb) is 'Notes what was done to the log itself, and returns the number of the record.';

revoke all on function pgerase_log.add_record(text, jsonb) from public;
grant execute on function pgerase_log.add_record(text, jsonb) to pgerase_secret;
