-- What compile generates for a data map, written by hand for the shop. Run as pgerase_eraser. The two table functions agree
-- on their arguments; the rest of the signature is that of every subject.
create function pgerase_eraser.count_person(p_keys text[], p_tokens text[], p_erased boolean[])
    returns table (person text, relation text, strategy text, hits bigint)
    language sql
    stable
    security definer
begin atomic
    with target as (
        select * from unnest(p_keys, p_tokens, p_erased) as given (key, token, was_erased)
    )
    select target.key, 'shop.person', 'change', count(*)
    from target join shop.person as row on row.person_id::text = target.key
    where not target.was_erased and row.status <> 'ERASED'
    group by 1
    union all
    select target.key, 'shop.note', 'delete', count(*)
    from target join shop.note as row on row.author_id::text = target.key
    group by 1
    union all
    select target.key, 'shop.ticket', 'unlink', count(*)
    from target join shop.ticket as row on row.owner_id::text = target.key
    group by 1
    union all
    select target.key, 'shop.invoice', 'keep', count(*)
    from target join shop.invoice as row on row.person_id::text = target.key
    group by 1;
end;

create function pgerase_eraser.erase_person(p_keys text[], p_tokens text[], p_erased boolean[])
    returns table (person text, relation text, strategy text, hits bigint)
    language plpgsql
    volatile
    security definer
    set search_path = ''
as $$
begin
    perform from shop.person as row
    where row.person_id::text = any (p_keys)
    order by row.person_id
    for update;

    return query
    with target as (
        select * from unnest(p_keys, p_tokens, p_erased) as given (key, token, was_erased)
    ), changed as (
        update shop.person as row
        set
            email = 'erased+' || target.token || '@erased.invalid',
            name = 'Deleted',
            status = 'ERASED'
        from target
        where row.person_id::text = target.key
            and not target.was_erased
            and row.status <> 'ERASED'
        returning target.key
    ), deleted as (
        delete from shop.note as row
        using target
        where row.author_id::text = target.key
        returning target.key
    ), unlinked as (
        update shop.ticket as row
        set owner_id = null
        from target
        where row.owner_id::text = target.key
        returning target.key
    )
    select changed.key, 'shop.person', 'change', count(*) from changed group by 1
    union all
    select deleted.key, 'shop.note', 'delete', count(*) from deleted group by 1
    union all
    select unlinked.key, 'shop.ticket', 'unlink', count(*) from unlinked group by 1
    union all
    select target.key, 'shop.invoice', 'keep', count(*)
    from target join shop.invoice as row on row.person_id::text = target.key
    group by 1;

    -- Here, and not at the commit: the routine above catches what this raises, and nobody catches what a commit raises.
    set constraints all immediate;
end;
$$;

create function pgerase_eraser.status_person(p_keys text[])
    returns table (person text, state text)
    language sql
    stable
    security definer
begin atomic
    -- Found by the key's value and returned in its one spelling, like every function that compile generates.
    select row.person_id::text, lower(row.status)
    from unnest(p_keys) as given (key) join shop.person as row on row.person_id = given.key::integer;
end;

create function pgerase_eraser.set_state_person(p_keys text[], p_state text)
    returns bigint
    language plpgsql
    volatile
    security definer
    set search_path = ''
as $$
declare
    v_count bigint;
begin
    update shop.person as row
    set status = upper(p_state)
    where row.person_id::text = any (p_keys)
        and row.status <> upper(p_state);
    get diagnostics v_count = row_count;
    return v_count;
end;
$$;

-- A subject without a lifecycle, whose key is a composite: its rows go.
create function pgerase_eraser.count_member(p_keys text[], p_tokens text[], p_erased boolean[])
    returns table (person text, relation text, strategy text, hits bigint)
    language sql
    stable
    security definer
begin atomic
    select jsonb_build_array(row.tenant, row.nick)::text, 'shop.member', 'delete', 1::bigint
    from shop.member as row
    where jsonb_build_array(row.tenant, row.nick)::text = any (p_keys);
end;

create function pgerase_eraser.erase_member(p_keys text[], p_tokens text[], p_erased boolean[])
    returns table (person text, relation text, strategy text, hits bigint)
    language sql
    volatile
    security definer
begin atomic
    delete from shop.member as row
    where jsonb_build_array(row.tenant, row.nick)::text = any (p_keys)
    returning jsonb_build_array(row.tenant, row.nick)::text, 'shop.member', 'delete', 1::bigint;
end;

create function pgerase_eraser.status_member(p_keys text[])
    returns table (person text, state text)
    language sql
    stable
    security definer
begin atomic
    select jsonb_build_array(row.tenant, row.nick)::text, 'active'
    from shop.member as row
    where jsonb_build_array(row.tenant, row.nick)::text = any (p_keys);
end;

revoke all on all functions in schema pgerase_eraser from public;
grant execute on all functions in schema pgerase_eraser to pgerase_secret;
