-- Opens access to one person's data for the viewer, whether or not the person allows it. Security definer because grants are
-- closed; the holder is whom the session is identified as, whatever the arguments.
create or replace function pgerase.open_break_glass(
    p_subject text,
    p_person text,
    p_reason text,
    p_ticket text,
    p_until timestamptz
)
    returns bigint
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    return pgerase_internal.open_grant(
        p_kind => 'break_glass',
        p_holder => pgerase.current_viewer(),
        p_subject => p_subject,
        p_person => p_person,
        p_reason => p_reason,
        p_ticket => p_ticket,
        p_until => p_until
    );
end;
$$;

comment on function pgerase.open_break_glass(text, text, text, text, timestamptz) is 'Opens break-glass access to one person''s data for the viewer, and returns the number of the grant.';

revoke all on function pgerase.open_break_glass(text, text, text, text, timestamptz) from public;
grant execute on function pgerase.open_break_glass(text, text, text, text, timestamptz) to pgerase_viewer;
