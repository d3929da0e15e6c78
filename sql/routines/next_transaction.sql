-- The transaction that will be next: whoever has begun to write has a smaller number. A snapshot does not tell: of those that
-- run, it knows only the ones older than the last that ended. So one number is drawn, in a subtransaction that is taken back:
-- this transaction may have its own for long. Numbers on rows have 32 bits, and are counted from this transaction's.
create or replace function pgerase_log.next_transaction()
    returns xid8
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    c_turn constant numeric := 4294967296;
    v_own constant numeric := pg_catalog.pg_current_xact_id()::text::numeric;
    v_drawn numeric;
begin
    begin
        insert into pgerase_log.checkpoint (size, key_id, root, at, text, signature)
        values (-1, '', '', pg_catalog.now(), '', '')
        returning checkpoint.xmin::text::numeric into strict v_drawn;

        raise exception using errcode = 'ZE233', message = 'a number was drawn';
    exception
        when sqlstate 'ZE233' then
            return (v_own + (v_drawn - v_own % c_turn + c_turn) % c_turn + 1)::text::xid8;
    end;
end;
$$;

comment on function pgerase_log.next_transaction() is 'The transaction that will be next.';

revoke all on function pgerase_log.next_transaction() from public;
