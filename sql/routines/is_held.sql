-- Whether somebody is under legal hold. Who asks is waited for by whoever places a hold, so that nobody is erased who was held
-- before it was committed. Security definer because the log is closed; asked when people are erased.
create or replace function pgerase_log.is_held(p_subject text, p_key text)
    returns boolean
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    perform pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended('holds of pgerase.log', 0));

    return exists (
        select
        from pgerase_log.hold as placed
        where placed.subject = p_subject
            and placed.person = p_key
            and placed.released_at is null
    );
end;
$$;

comment on function pgerase_log.is_held(text, text) is 'Whether somebody is under legal hold.';

revoke all on function pgerase_log.is_held(text, text) from public;
grant execute on function pgerase_log.is_held(text, text) to pgerase_secret;
