-- Makes room for one more signing key: at most two are valid at a time, the one that is signed with and the one before.
-- Those that are valid now end at the given moment, if any is given, unless they end before. Holds other changes of keys off.
create or replace function pgerase_internal.make_room_for_key(p_end timestamptz)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_valid bigint;
begin
    lock table pgerase_internal.signing_key in share row exclusive mode;

    update pgerase_internal.signing_key as known
    set valid_until = least(known.valid_until, p_end)
    from pgerase_internal.signing_keys() as listed
    where listed.key_id = known.key_id
        and listed.state in ('valid', 'ending')
        and p_end is not null;

    select pg_catalog.count(*)
    into strict v_valid
    from pgerase_internal.signing_keys() as listed
    where listed.state in ('valid', 'ending');

    if v_valid > 1 then
        raise exception using
            errcode = 'ZE020',
            message = 'two signing keys are valid already',
            hint = 'Wait until one has ended, or retire one: pgerase key list, pgerase key retire.';
    end if;
end;
$$;

comment on function pgerase_internal.make_room_for_key(timestamptz) is 'Lets the valid signing keys end, and refuses where two stay valid.';

revoke all on function pgerase_internal.make_room_for_key(timestamptz) from public;
