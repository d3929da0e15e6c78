-- Erases these people of a request, all of them or, where anything is not as planned, none. Security definer because the
-- ledger is closed and only its owner may call the generated functions, which change the application's tables with the
-- eraser's rights. What they raise is raised anew without values: an error that leaves this function goes to the server's
-- log. People who are no longer pending are left out; whoever was erased before keeps the token.
create or replace function pgerase_internal.erase_people(p_request bigint, p_keys text[])
    returns table (person text, relation text, strategy text, hits bigint)
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_subject text;
    v_keys text[];
    v_tokens text[];
    v_erased boolean[];
    v_different text;
    v_sqlstate text;
    v_message text;
    v_hint text;
    v_schema text;
    v_table text;
    v_constraint text;
    v_request constant text := pg_catalog.current_setting('pgerase.request', true);
    v_purpose constant text := pg_catalog.current_setting('pgerase.purpose', true);
    v_stamp constant text := '@' || extract(epoch from pg_catalog.now())::text;
begin
    v_subject := pgerase_internal.assert_open(p_request => p_request);

    -- In key order, here and below: sessions that meet wait for each other, never in a circle.
    select pg_catalog.array_agg(taken.key order by taken.key)
    into strict v_keys
    from (
        select one.key
        from pgerase_internal.request_person as one
        where one.request_id = p_request
            and one.key = any (p_keys)
            and one.state = 'pending'
        order by one.key
        for update
    ) as taken;

    if v_keys is null then
        return;
    end if;

    if exists (
        select
        from pg_catalog.unnest(v_keys) as taken (key)
        where pgerase_log.is_held(p_subject => v_subject, p_key => taken.key)
    ) then
        raise exception using
            errcode = 'ZE221',
            message = 'somebody of these people is under legal hold, and nobody was erased',
            hint = 'pgerase subject release ends a hold; then erase again with --retry.';
    end if;

    -- What is captured until the end of this routine says so; annotate would take it from nobody.
    perform pg_catalog.set_config('pgerase.request', pg_catalog.concat('erasure ', p_request, v_stamp), true);
    perform pg_catalog.set_config('pgerase.purpose', pg_catalog.concat('erasure', v_stamp), true);

    -- Another request may be about the same people: whoever comes second waits here, and then finds them erased.
    insert into pgerase_internal.erased_person (subject, key, token)
    select v_subject, taken.key, pgerase_internal.make_token()
    from pg_catalog.unnest(v_keys) as taken (key)
    order by taken.key collate "C"
    on conflict on constraint erased_person_pkey do nothing;

    select
        pg_catalog.array_agg(held.token order by held.key),
        pg_catalog.array_agg(held.erased_at is not null order by held.key)
    into strict v_tokens, v_erased
    from (
        select erased.key, erased.token, erased.erased_at
        from pgerase_internal.erased_person as erased
        where erased.subject = v_subject
            and erased.key = any (v_keys)
        order by erased.key
        for update
    ) as held;

    begin
        execute pg_catalog.format(
            'insert into %I.request_count as counted (request_id, key, relation, strategy, done)'
            ' select $1, did.person, did.relation, did.strategy, pg_catalog.sum(did.hits)'
            ' from %I.%I(p_keys => $2, p_tokens => $3, p_erased => $4) as did'
            ' where did.hits <> 0'
            ' group by 2, 3, 4'
            ' on conflict on constraint request_count_pkey do update set done = excluded.done',
            'pgerase_internal',
            'pgerase_eraser',
            pg_catalog.concat('erase_', v_subject)
        )
        using p_request, v_keys, v_tokens, v_erased;
    exception
        when others then
            get stacked diagnostics
                v_sqlstate = returned_sqlstate,
                v_message = message_text,
                v_hint = pg_exception_hint,
                v_schema = schema_name,
                v_table = table_name,
                v_constraint = constraint_name;
            raise exception using
                errcode = v_sqlstate,
                message = case when v_sqlstate like 'ZE1%' then v_message else 'erasing failed, and nothing was changed' end,
                hint = case when v_sqlstate like 'ZE1%' then v_hint else '' end,
                schema = v_schema,
                table = v_table,
                constraint = v_constraint;
    end;

    -- Before the log: what others write about these people's grants is waited for, and erased there.
    perform pgerase_internal.forget_support(p_subject => v_subject, p_keys => v_keys);

    -- After the application's tables: erasing there is captured, with what was erased.
    perform pgerase_log.forget_people(p_subject => v_subject, p_keys => v_keys, p_request => p_request);

    -- A plan made before another request erased the same person says nothing about now. People are counted together and erased
    -- in batches: a row that two of them have in common may be as it is to be by the time the second comes, and is then kept.
    select compared.relation
    into v_different
    from (
        select
            counted.key,
            counted.relation,
            pg_catalog.bool_or(
                counted.strategy not in ('change', 'keep') and counted.planned is distinct from counted.done
            ) as otherwise,
            pg_catalog.sum(coalesce(counted.planned, 0) - coalesce(counted.done, 0))
                filter (where counted.strategy in ('change', 'keep')) as fewer_stay,
            pg_catalog.sum(coalesce(counted.planned, 0) - coalesce(counted.done, 0))
                filter (where counted.strategy = 'change') as fewer_change
        from pgerase_internal.request_count as counted
            join pgerase_internal.request_person as one
                on one.request_id = counted.request_id and one.key = counted.key
            join pgerase_internal.erased_person as erased
                on erased.subject = v_subject and erased.key = counted.key
        where counted.request_id = p_request
            and counted.key = any (v_keys)
            and one.planned_at is not null
            and one.planned_after is not distinct from erased.erased_at
        group by counted.key, counted.relation
    ) as compared
    where compared.otherwise
        or compared.fewer_stay <> 0
        or compared.fewer_change < 0
    order by compared.key, compared.relation
    limit 1;

    if found then
        raise exception using
            errcode = 'ZE101',
            message = pg_catalog.format(
                'erasing came to other numbers than the dry run in %s, and nothing was changed',
                v_different
            ),
            hint = 'The data changed in between: make another dry run, look at it, and erase again.',
            table = v_different;
    end if;

    update pgerase_internal.erased_person as erased
    set
        erased_at = pg_catalog.now(),
        request_id = p_request
    where erased.subject = v_subject
        and erased.key = any (v_keys);

    update pgerase_internal.request_person as one
    set
        state = 'done',
        done_at = pg_catalog.now()
    where one.request_id = p_request
        and one.key = any (v_keys);

    -- The caller's transaction goes on with what it said itself.
    perform pg_catalog.set_config('pgerase.request', coalesce(v_request, ''), true);
    perform pg_catalog.set_config('pgerase.purpose', coalesce(v_purpose, ''), true);

    return query
    select counted.key::text, counted.relation, counted.strategy, counted.done
    from pgerase_internal.request_count as counted
    where counted.request_id = p_request
        and counted.key = any (v_keys)
        and counted.done is not null
    order by counted.key, counted.relation, counted.strategy;
end;
$$;

comment on function pgerase_internal.erase_people(bigint, text[]) is 'Erases these people of a request and returns what was done.';

revoke all on function pgerase_internal.erase_people(bigint, text[]) from public;
