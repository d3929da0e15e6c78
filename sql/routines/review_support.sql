-- Reviews somebody else's break-glass access as the viewer. Security definer because grants are closed.
create or replace function pgerase.review_support(p_grant bigint, p_verdict text)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    perform pgerase_internal.review_grant(p_grant => p_grant, p_by => pgerase.current_viewer(), p_verdict => p_verdict);
end;
$$;

comment on function pgerase.review_support(bigint, text) is 'Reviews break-glass access that is over: justified or unjustified.';

revoke all on function pgerase.review_support(bigint, text) from public;
grant execute on function pgerase.review_support(bigint, text) to pgerase_viewer;
