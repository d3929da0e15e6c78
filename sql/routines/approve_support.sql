-- Approves somebody else's break-glass access as the viewer. Security definer because grants are closed.
create or replace function pgerase.approve_support(p_grant bigint)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    perform pgerase_internal.approve_grant(p_grant => p_grant, p_by => pgerase.current_viewer());
end;
$$;

comment on function pgerase.approve_support(bigint) is 'Approves break-glass access as a second person.';

revoke all on function pgerase.approve_support(bigint) from public;
grant execute on function pgerase.approve_support(bigint) to pgerase_viewer;
