-- The number of a value's type. Of what has a type and never a value it is asked when a statement is planned, and anew once that
-- type is another one: so it costs nothing while statements run.
create or replace function pgerase_log.type_of(p_value anyelement)
    returns oid
    language plpgsql
    immutable
    parallel safe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
begin
    return pg_catalog.pg_typeof(p_value);
end;
$$;

comment on function pgerase_log.type_of(anyelement) is 'The number of a value''s type.';

revoke all on function pgerase_log.type_of(anyelement) from public;
