-- Closes support access as the viewer: one's own, or to one's own data. Security definer because grants are closed. Nobody
-- named would be an operator, so nobody may be nobody here.
create or replace function pgerase.close_support(p_grant bigint)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    if pgerase.current_viewer() is null then
        raise exception using
            errcode = 'ZE302',
            message = 'support access is for people, and the session is identified as nobody';
    end if;

    perform pgerase_internal.close_grant(p_grant => p_grant, p_by => pgerase.current_viewer());
end;
$$;

comment on function pgerase.close_support(bigint) is 'Closes support access before its end.';

revoke all on function pgerase.close_support(bigint) from public;
grant execute on function pgerase.close_support(bigint) to pgerase_viewer;
