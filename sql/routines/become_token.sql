-- Says on whose behalf the rest of this transaction runs: the person whom a signed token names.
-- A token that is not valid is no error, but an identity that nobody believes: what follows sees nothing, and no message says
-- which part of it was wrong. One that stands in the statement's text can be read by others, so it counts for nothing.
create or replace function pgerase.become(p_token text)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_proof text;
begin
    if p_token is null or p_token = '' then
        raise exception using
            errcode = 'ZE001',
            message = 'no viewer given',
            hint = 'Pass a token for the person this transaction runs for; pgerase.forget() takes an identity away.';
    end if;

    if pg_catalog.strpos(pg_catalog.current_query(), p_token) > 0 then
        -- Not an error: that would put the statement, and with it the token, into the server's log.
        raise warning using
            message = 'the token stands in the statement and counts for nothing',
            hint = 'Send it as a bind parameter: others can read the text of statements.';
    else
        v_proof := pgerase.admit(p_token);
    end if;

    perform pgerase.present(coalesce(v_proof, 'invalid'));
end;
$$;

comment on function pgerase.become(text) is 'Makes the rest of this transaction run for the viewer whom this token names.';

revoke all on function pgerase.become(text) from public;
grant execute on function pgerase.become(text) to pgerase_viewer;
