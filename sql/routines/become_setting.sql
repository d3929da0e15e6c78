-- Says on whose behalf the rest of this transaction runs. As trustworthy as the login that calls it.
create or replace function pgerase.become(p_viewer text)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    if p_viewer is null or p_viewer = '' then
        raise exception using
            errcode = 'ZE001',
            message = 'no viewer given',
            hint = 'Pass the key of the person this transaction runs for; pgerase.forget() takes an identity away.';
    end if;

    perform pgerase.present(p_viewer || '@' || extract(epoch from pg_catalog.now())::pg_catalog.text);
end;
$$;

comment on function pgerase.become(text) is 'Makes the rest of this transaction run for the viewer with this key.';

revoke all on function pgerase.become(text) from public;
grant execute on function pgerase.become(text) to pgerase_viewer;
