-- Whether a text is JSON that becomes jsonb without an error: policies must not fail on what a session has set.
-- PostgreSQL 16 can tell. Before, catching the error would forbid parallel plans, so scalars, and then what holds nothing but
-- scalars, shrink to one character each, until one is left. Exponents beyond three digits do not count as JSON there.
create or replace function pgerase.is_json(p_text text)
    returns boolean
    language plpgsql
    stable
    parallel safe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    c_string constant text := pg_catalog.chr(1);
    c_other constant text := pg_catalog.chr(2);
    v_rest text := p_text;
    v_before text;
begin
    if pg_catalog.current_setting('server_version_num')::integer >= 160000 then
        return pg_catalog.pg_input_is_valid(p_text, 'jsonb');
    end if;

    if p_text ~ '[\u0001-\u0008\u000b\u000c\u000e-\u001f]' then
        return false;
    end if;

    v_rest := pg_catalog.regexp_replace(
        v_rest,
        '"(?:[^"\\\u0001-\u001f]|\\["\\/bfnrt]|\\u(?!0000|[dD][89a-fA-F])[0-9a-fA-F]{4}'
            '|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})*"',
        c_string,
        'g'
    );
    v_rest := pg_catalog.regexp_replace(
        v_rest,
        '-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3})?|true|false|null',
        c_other,
        'g'
    );
    v_rest := pg_catalog.translate(v_rest, E' \t\n\r', '');

    loop
        v_before := v_rest;
        v_rest := pg_catalog.regexp_replace(
            v_rest,
            '\{(?:\u0001:[\u0001\u0002](?:,\u0001:[\u0001\u0002])*)?\}|\[(?:[\u0001\u0002](?:,[\u0001\u0002])*)?\]',
            c_other,
            'g'
        );
        exit when v_rest = v_before;
    end loop;
    return v_rest in (c_string, c_other);
end;
$$;

comment on function pgerase.is_json(text) is 'Tells whether a text can be cast to jsonb.';

revoke all on function pgerase.is_json(text) from public;
grant execute on function pgerase.is_json(text) to pgerase_viewer, pgerase_lookup, pgerase_keeper;
