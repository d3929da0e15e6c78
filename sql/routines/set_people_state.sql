-- Deactivates or activates people. Security definer because only its owner may call the generated functions; whoever has
-- been erased stays so. Errors are raised anew without values: those that leave this function go to the server's log.
create or replace function pgerase_internal.set_people_state(p_subject text, p_keys text[], p_state text)
    returns bigint
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_count bigint;
    v_sqlstate text;
    v_message text;
    v_hint text;
    v_schema text;
    v_table text;
    v_constraint text;
    v_request constant text := pg_catalog.current_setting('pgerase.request', true);
    v_purpose constant text := pg_catalog.current_setting('pgerase.purpose', true);
begin
    perform pgerase_internal.assert_subject(p_subject => p_subject);

    if p_state is null or p_state not in ('active', 'inactive') then
        raise exception using
            errcode = 'ZE111',
            message = 'people are made active or inactive; erasing needs a request';
    end if;

    if pg_catalog.to_regprocedure(
        pg_catalog.format('%I.%I(text[], text)', 'pgerase_eraser', pg_catalog.concat('set_state_', p_subject))
    ) is null then
        raise exception using
            errcode = 'ZE115',
            message = 'this subject has no lifecycle',
            hint = 'Say in data_map.yaml which column tells who is active, and apply.';
    end if;

    if exists (
        select
        from pgerase_internal.people_status(p_subject => p_subject, p_keys => p_keys) as person
        where person.state = 'erased'
    ) then
        raise exception using
            errcode = 'ZE105',
            message = 'somebody who has been erased stays erased',
            hint = 'pgerase subject status shows who has been.';
    end if;

    perform pgerase.annotate(
        p_request => case p_state when 'active' then 'activate ' else 'deactivate ' end || p_subject,
        p_purpose => 'lifecycle'
    );

    begin
        execute pg_catalog.format(
            'select %I.%I(p_keys => $1, p_state => $2)',
            'pgerase_eraser',
            pg_catalog.concat('set_state_', p_subject)
        )
        into strict v_count
        using p_keys, p_state;
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
                message = case when v_sqlstate like 'ZE1%' then v_message else 'the state could not be set' end,
                hint = case when v_sqlstate like 'ZE1%' then v_hint else '' end,
                schema = v_schema,
                table = v_table,
                constraint = v_constraint;
    end;

    -- The caller's transaction goes on with what it said itself.
    perform pg_catalog.set_config('pgerase.request', coalesce(v_request, ''), true);
    perform pg_catalog.set_config('pgerase.purpose', coalesce(v_purpose, ''), true);

    return v_count;
end;
$$;

comment on function pgerase_internal.set_people_state(text, text[], text) is 'Makes people active or inactive and returns how many changed.';

revoke all on function pgerase_internal.set_people_state(text, text[], text) from public;
