-- Takes away what support access knows of people who are erased: reasons, and which rows were theirs. Open grants end. That
-- somebody looked, when and under which ticket stays.
create or replace function pgerase_internal.forget_support(p_subject text, p_keys text[])
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    update pgerase_internal.support_ticket as taken
    set keys = '{}'
    from pgerase_internal.support_grant as concerned
    where concerned.grant_id = taken.grant_id
        and concerned.subject = p_subject
        and concerned.person = any (p_keys);

    update pgerase_internal.support_grant as concerned
    set
        reason = null,
        forgotten_at = pg_catalog.statement_timestamp()
    where concerned.subject = p_subject
        and concerned.person = any (p_keys)
        and concerned.forgotten_at is null;
end;
$$;

comment on function pgerase_internal.forget_support(text, text[]) is 'Takes away what support access knows of people who are erased.';

revoke all on function pgerase_internal.forget_support(text, text[]) from public;
