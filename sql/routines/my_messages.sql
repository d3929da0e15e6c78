-- What the viewer is told about support access to his own data, for the application to show. Security definer because the
-- outbox is closed. It takes no argument: whose messages they are follows from the identity alone.
create or replace function pgerase.my_messages()
    returns table (message uuid, at timestamptz, event text, access bigint, said text)
    language plpgsql
    stable
    parallel safe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    return query
    select
        told.message_id,
        told.created_at,
        told.event,
        told.grant_id,
        pgerase_internal.message_text(p_kind => told.kind, p_event => told.event, p_grant => told.grant_id)
    from pgerase_internal.own_person() as self
        join pgerase_internal.support_grant as given on given.subject = self.subject and given.person = self.person
        join pgerase_internal.outbox as told on told.grant_id = given.grant_id
    where told.kind = 'person'
    order by told.created_at desc, told.message_id;
end;
$$;

comment on function pgerase.my_messages() is 'Returns what the viewer is told about support access to his own data, the last first.';

revoke all on function pgerase.my_messages() from public;
grant execute on function pgerase.my_messages() to pgerase_viewer;
