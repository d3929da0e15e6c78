-- The root that a leaf and its inclusion path lead to (RFC 9162, 2.1.3.2); null where the path is none for a tree of this size.
create or replace function pgerase_log.root_of_path(p_hash bytea, p_position integer, p_size integer, p_path bytea[])
    returns bytea
    language plpgsql
    immutable
    parallel safe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    c_node constant bytea := pg_catalog.decode('01', 'hex');
    v_place integer := p_position;
    v_last integer := p_size - 1;
    v_root bytea := p_hash;
    v_other bytea;
begin
    if p_hash is null or p_position is null or p_path is null or p_size is null or p_position not between 0 and v_last then
        return null;
    end if;

    foreach v_other in array p_path loop
        if v_last = 0 then
            return null;
        end if;

        if v_place % 2 = 1 or v_place = v_last then
            v_root := pg_catalog.sha256(c_node || v_other || v_root);

            while v_place % 2 = 0 and v_place > 0 loop
                v_place := v_place / 2;
                v_last := v_last / 2;
            end loop;
        else
            v_root := pg_catalog.sha256(c_node || v_root || v_other);
        end if;

        v_place := v_place / 2;
        v_last := v_last / 2;
    end loop;

    return case when v_last = 0 then v_root end;
end;
$$;

comment on function pgerase_log.root_of_path(bytea, integer, integer, bytea[]) is 'The root that a leaf and its inclusion path lead to; null for no path.';

revoke all on function pgerase_log.root_of_path(bytea, integer, integer, bytea[]) from public;
