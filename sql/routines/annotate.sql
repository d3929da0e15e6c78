-- Says for which request, and for what purpose, the rest of this transaction writes: kept with every entry of the audit log.
-- It is the client's own word, stamped like an identity, so that what a pooled session has left over is nothing. What erasing
-- says of itself is refused: nobody is to take it for the ledger's by mistake. Who sets the settings by hand may still say it.
create or replace function pgerase.annotate(p_request text, p_purpose text)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_stamp constant text := '@' || extract(epoch from pg_catalog.now())::pg_catalog.text;
begin
    if coalesce(p_request, '') = '' and coalesce(p_purpose, '') = '' then
        raise exception using
            errcode = 'ZE203',
            message = 'neither a request nor a purpose given',
            hint = 'Name the request or job that writes, or what it writes for.';
    end if;

    if greatest(pg_catalog.length(p_request), pg_catalog.length(p_purpose)) > 1000 then
        raise exception using
            errcode = 'ZE203',
            message = 'a request or purpose has more than 1000 characters',
            hint = 'Give a reference, such as the number of a request or a ticket.';
    end if;

    if p_request ~* '^\s*erasure\s' then
        raise exception using
            errcode = 'ZE203',
            message = 'what erasing writes is named so, and this is not erasing',
            hint = 'Name the request otherwise than erasure NUMBER.';
    end if;

    perform pg_catalog.set_config('pgerase.request', coalesce(p_request, '') || v_stamp, true);
    perform pg_catalog.set_config('pgerase.purpose', coalesce(p_purpose, '') || v_stamp, true);
end;
$$;

comment on function pgerase.annotate(text, text) is 'Names the request and the purpose that the rest of this transaction writes for.';

revoke all on function pgerase.annotate(text, text) from public;
grant execute on function pgerase.annotate(text, text) to pgerase_viewer;
