-- The dry run: counts what erasing these people of a request would do, and keeps the counts for comparing. Nothing of the
-- application changes. Security definer because the register is closed and only its owner may call the generated functions.
-- What they raise is raised anew without values: an error that leaves this function goes to the server's log.
create or replace function pgerase_internal.plan_people(p_request bigint, p_keys text[])
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
    v_sqlstate text;
    v_message text;
    v_hint text;
    v_schema text;
    v_table text;
    v_constraint text;
begin
    v_subject := pgerase_internal.assert_open(p_request => p_request);

    select
        pg_catalog.array_agg(taken.key order by taken.key),
        pg_catalog.array_agg(coalesce(erased.token, pgerase_internal.make_token()) order by taken.key),
        pg_catalog.array_agg(erased.erased_at is not null order by taken.key)
    into strict v_keys, v_tokens, v_erased
    from (
        select one.key
        from pgerase_internal.request_person as one
        where one.request_id = p_request
            and one.key = any (p_keys)
            and one.state = 'pending'
        order by one.key
        for update
    ) as taken
        left join pgerase_internal.erased_person as erased
            on erased.subject = v_subject and erased.key = taken.key;

    if v_keys is null then
        return;
    end if;

    delete from pgerase_internal.request_count as counted
    where counted.request_id = p_request
        and counted.key = any (v_keys);

    begin
        execute pg_catalog.format(
            'insert into %I.request_count (request_id, key, relation, strategy, planned)'
            ' select $1, found.person, found.relation, found.strategy, pg_catalog.sum(found.hits)'
            ' from %I.%I(p_keys => $2, p_tokens => $3, p_erased => $4) as found'
            ' where found.hits <> 0'
            ' group by 2, 3, 4',
            'pgerase_internal',
            'pgerase_eraser',
            pg_catalog.concat('count_', v_subject)
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
                message = case when v_sqlstate like 'ZE1%' then v_message else 'counting what erasing would do failed' end,
                hint = case when v_sqlstate like 'ZE1%' then v_hint else '' end,
                schema = v_schema,
                table = v_table,
                constraint = v_constraint;
    end;

    update pgerase_internal.request_person as one
    set
        planned_at = pg_catalog.now(),
        planned_after = (
            select erased.erased_at
            from pgerase_internal.erased_person as erased
            where erased.subject = v_subject
                and erased.key = one.key
        )
    where one.request_id = p_request
        and one.key = any (v_keys);

    return query
    select counted.key::text, counted.relation, counted.strategy, counted.planned
    from pgerase_internal.request_count as counted
    where counted.request_id = p_request
        and counted.key = any (v_keys)
    order by counted.key, counted.relation, counted.strategy;
end;
$$;

comment on function pgerase_internal.plan_people(bigint, text[]) is 'Counts what erasing these people would do, and keeps the counts.';

revoke all on function pgerase_internal.plan_people(bigint, text[]) from public;
