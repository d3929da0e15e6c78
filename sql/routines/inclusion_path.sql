-- What it takes beside a leaf to compute the root of its segment (RFC 9162, 2.1.3): one hash a level, from the bottom. Raises
-- where the segment is not whole, since nothing would come of the path.
create or replace function pgerase_log.inclusion_path(p_segment bigint, p_position integer)
    returns bytea[]
    language plpgsql
    stable
    strict
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_relation text;
    v_level bytea;
    v_place integer := p_position;
    v_other integer;
    v_path bytea[] := '{}';
    v_root bytea;
begin
    foreach v_relation in array array['leaf'] || array(select apart.relation from pgerase_log.unattached('leaf') as apart) loop
        execute pg_catalog.format(
            'select pg_catalog.string_agg(leaf.hash, $2 order by leaf.position) from %I.%I as leaf where leaf.segment_id = $1',
            'pgerase_log',
            v_relation
        )
        into strict v_level
        using p_segment, pg_catalog.decode('', 'hex');

        exit when v_level is not null;
    end loop;

    while pg_catalog.length(v_level) > 32 loop
        v_other := v_place # 1;

        if v_other * 32 < pg_catalog.length(v_level) then
            v_path := v_path || pg_catalog.substr(v_level, v_other * 32 + 1, 32);
        end if;

        v_level := pgerase_log.merkle_level(p_level => v_level);
        v_place := v_place / 2;
    end loop;

    select segment.root
    into v_root
    from pgerase_log.segment as segment
    where segment.segment_id = p_segment
        and p_position between 0 and segment.entries - 1;

    if v_root is null or v_level is distinct from v_root then
        raise exception using
            errcode = 'ZE232',
            message = pg_catalog.format('segment %s of the log is not whole, or has no leaf %s', p_segment, p_position),
            hint = 'pgerase audit verify says what happened to it.';
    end if;

    return v_path;
end;
$$;

comment on function pgerase_log.inclusion_path(bigint, integer) is 'The hashes that lead from a leaf to the root of its segment.';

revoke all on function pgerase_log.inclusion_path(bigint, integer) from public;
