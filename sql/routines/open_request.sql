-- Opens a request: whom it is about, and by when it has to be answered. Security definer because the register is closed.
-- It keeps keys and an opaque reference, nothing else: names and addresses have no place here, and an error never shows a key.
create or replace function pgerase_internal.open_request(
    p_kind text,
    p_subject text,
    p_keys text[],
    p_reference text,
    p_received_at timestamptz,
    p_missing_too boolean
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
    v_received_at timestamptz := coalesce(p_received_at, pg_catalog.now());
    v_missing bigint;
    v_request bigint;
begin
    perform pgerase_internal.assert_subject(p_subject => p_subject);

    if p_kind is null
        or p_kind not in ('erasure', 'access', 'portability', 'rectification', 'restriction', 'objection')
        or p_reference !~ '^[A-Za-z0-9._/-]{1,64}$'
        or v_received_at > pg_catalog.now()
        or coalesce(pg_catalog.cardinality(p_keys), 0) = 0
        or exists (
            select
            from pg_catalog.unnest(p_keys) as given (key)
            where given.key is null
                or pg_catalog.octet_length(given.key) not between 1 and 1024
        )
    then
        raise exception using
            errcode = 'ZE111',
            message = 'a request needs a kind, keys of at most 1024 bytes, a reference without blanks and @, and no date to come',
            hint = 'A reference is up to 64 letters, digits and ._/- such as a ticket number, never a name or an address.';
    end if;

    -- Also where nobody has to be there: the keys have to be spelt as they are known.
    select pg_catalog.count(*)
    into strict v_missing
    from pgerase_internal.people_status(p_subject => p_subject, p_keys => p_keys) as person
    where person.state = 'missing';

    if v_missing > 0 and p_missing_too is not true then
        raise exception using
            errcode = 'ZE112',
            message = pg_catalog.format('%s of the keys given belong to nobody', v_missing),
            hint = 'pgerase subject status shows which. Where rows were left of somebody already gone: --allow-missing.';
    end if;

    insert into pgerase_internal.request (kind, subject, reference, received_at, due_on)
    values (
        p_kind,
        p_subject,
        p_reference,
        v_received_at,
        -- In UTC, so that the answer does not depend on who asks.
        (v_received_at at time zone 'UTC') + interval '1 month'
    )
    returning request_id into strict v_request;

    insert into pgerase_internal.request_person (request_id, key)
    select distinct v_request, given.key collate "C"
    from pg_catalog.unnest(p_keys) as given (key);

    return v_request;
end;
$$;

comment on function pgerase_internal.open_request(text, text, text[], text, timestamptz, boolean) is 'Opens a request about these people and returns its number.';

revoke all on function pgerase_internal.open_request(text, text, text[], text, timestamptz, boolean) from public;
