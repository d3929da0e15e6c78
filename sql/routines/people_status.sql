-- Where people stand: active, inactive, erased or missing. The ledger knows of those whose row is gone, and of all where no
-- column tells. Security definer because the ledger is closed. Errors are raised anew without values. A key that is found
-- under another spelling (007) is refused: the ledger, and the guards that ask it, know people by one spelling only.
create or replace function pgerase_internal.people_status(p_subject text, p_keys text[])
    returns table (person text, state text, erased_at timestamptz)
    language plpgsql
    stable
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_sqlstate text;
    v_message text;
    v_hint text;
    v_is_strange boolean;
begin
    perform pgerase_internal.assert_subject(p_subject => p_subject);

    begin
        execute pg_catalog.format(
            'select exists (select from %I.%I(p_keys => $1) as found where found.person <> all ($1))',
            'pgerase_eraser',
            pg_catalog.concat('status_', p_subject)
        )
        into strict v_is_strange
        using p_keys;

        if v_is_strange then
            raise exception using errcode = 'ZE111';
        end if;

        return query execute pg_catalog.format(
            'select given.key,'
            ' case when erased.erased_at is not null then ''erased'' else coalesce(found.state, ''missing'') end,'
            ' erased.erased_at'
            ' from (select distinct wanted.key from pg_catalog.unnest($1) as wanted (key)) as given'
            ' left join %I.%I(p_keys => $1) as found on found.person = given.key'
            ' left join %I.erased_person as erased on erased.subject = $2 and erased.key = given.key'
            ' order by given.key collate "C"',
            'pgerase_eraser',
            pg_catalog.concat('status_', p_subject),
            'pgerase_internal'
        )
        using p_keys, p_subject;
    exception
        when others then
            get stacked diagnostics
                v_sqlstate = returned_sqlstate,
                v_message = message_text,
                v_hint = pg_exception_hint;
            if v_sqlstate like '22%' then
                v_sqlstate := 'ZE111';
            end if;
            raise exception using
                errcode = v_sqlstate,
                message = case v_sqlstate when 'ZE103' then v_message else 'these keys cannot be looked up' end,
                hint = case v_sqlstate
                    when 'ZE103' then v_hint
                    else 'A key is written as PostgreSQL prints it; a composite one as the text of a JSON array of such texts.'
                end;
    end;
end;
$$;

comment on function pgerase_internal.people_status(text, text[]) is 'Returns where these people stand: active, inactive, erased or missing.';

revoke all on function pgerase_internal.people_status(text, text[]) from public;
