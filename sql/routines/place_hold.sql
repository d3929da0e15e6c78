-- Places a legal hold on a person, with the row of the person's own table where that is captured, or on one row alone. The same
-- once more is the hold there is. Erasing that began is waited for. Security definer because the log is closed.
create or replace function pgerase_log.place_hold(
    p_subject text,
    p_person text,
    p_relation text,
    p_key jsonb,
    p_reference text
)
    returns bigint
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_hold bigint;
begin
    -- The table's own check would show the row.
    if p_reference is null or p_reference !~ '^[A-Za-z0-9._/-]{1,64}$' then
        raise exception using
            errcode = 'ZE111',
            message = 'a reference is opaque: letters, digits and . _ / -, at most 64',
            hint = 'Such as the number of a case; never a name or an address.';
    end if;

    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('holds of pgerase.log', 0));

    select placed.hold_id
    into v_hold
    from pgerase_log.hold as placed
    where (placed.subject, placed.person, placed.relation, placed.key)
            is not distinct from (p_subject, p_person, p_relation, p_key)
        and placed.reference = p_reference
        and placed.released_at is null;

    if not found then
        insert into pgerase_log.hold (subject, person, relation, key, reference)
        values (p_subject, p_person, p_relation, p_key, p_reference)
        returning hold.hold_id into strict v_hold;

        perform pgerase_log.add_record(
            p_kind => 'hold',
            p_body => pg_catalog.jsonb_build_object('hold', v_hold, 'reference', p_reference)
        );
    end if;

    return v_hold;
end;
$$;

comment on function pgerase_log.place_hold(text, text, text, jsonb, text) is 'Places a legal hold, and returns its number.';

revoke all on function pgerase_log.place_hold(text, text, text, jsonb, text) from public;
