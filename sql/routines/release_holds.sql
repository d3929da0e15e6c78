-- Releases the holds on a person: those with one reference, or all. What they kept past its time goes with the next run of
-- retention. Security definer because the log is closed.
create or replace function pgerase_log.release_holds(p_subject text, p_person text, p_reference text)
    returns bigint
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_holds bigint[];
begin
    with released as (
        update pgerase_log.hold as placed
        set released_at = pg_catalog.clock_timestamp()
        where placed.subject = p_subject
            and placed.person = p_person
            and placed.released_at is null
            and placed.reference = coalesce(p_reference, placed.reference)
        returning placed.hold_id
    )
    select coalesce(pg_catalog.array_agg(released.hold_id order by released.hold_id), '{}')
    into strict v_holds
    from released;

    if v_holds <> '{}' then
        perform pgerase_log.add_record(
            p_kind => 'release',
            p_body => pg_catalog.jsonb_build_object('holds', v_holds)
        );
    end if;

    return pg_catalog.cardinality(v_holds);
end;
$$;

comment on function pgerase_log.release_holds(text, text, text) is 'Releases the holds on a person, and returns how many.';

revoke all on function pgerase_log.release_holds(text, text, text) from public;
