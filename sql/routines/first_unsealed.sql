-- The lowest number of an entry in one table, a partition or a detached one, that has no leaf; null where all are sealed. Leaves
-- are looked for in detached tables as well. Up to the floor all have theirs for good; the highest number mostly is sealed, too,
-- and spares looking for others: the planner, which does not know how few lie above the floor, would read the whole table.
-- Security definer because the log is closed.
create or replace function pgerase_log.first_unsealed(p_entry text)
    returns bigint
    language plpgsql
    stable
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_floor bigint;
    v_is_above boolean;
    v_leaves text;
    v_first bigint;
begin
    v_floor := coalesce(
        (select segment.floor from pgerase_log.segment as segment order by segment.segment_id desc limit 1),
        0
    );

    execute pg_catalog.format('select pg_catalog.max(entry.entry_id) > $1 from %I.%I as entry', 'pgerase_log', p_entry)
    into strict v_is_above
    using v_floor;

    if v_is_above is not true then
        return null;
    end if;

    select pg_catalog.string_agg(
        pg_catalog.format('select one.entry_id from %I.%I as one where one.entry_id > $1', 'pgerase_log', found.relation),
        ' union all '
    )
    into strict v_leaves
    from (
        select 'leaf' as relation

        union all

        select apart.relation
        from pgerase_log.unattached(p_table => 'leaf') as apart
    ) as found;

    execute pg_catalog.format(
        'select pg_catalog.min(entry.entry_id)'
        ' from %I.%I as entry'
        ' where entry.entry_id > $1'
        '     and not exists (select from (%s) as leaf where leaf.entry_id = entry.entry_id)',
        'pgerase_log',
        p_entry,
        v_leaves
    )
    into strict v_first
    using v_floor;

    return v_first;
end;
$$;

comment on function pgerase_log.first_unsealed(text) is 'Returns the lowest number of an entry in a table that is not sealed, or null.';

revoke all on function pgerase_log.first_unsealed(text) from public;
