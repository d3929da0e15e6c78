-- Whether a record says what the log's own routines write there: of its kind, in their spelling, at a time there is. Whoever may
-- write the log may write anything, and what reads all records must not fail for one. The external verifier asks the same.
create or replace function pgerase_log.is_readable(p_at timestamptz, p_kind text, p_body jsonb)
    returns boolean
    language plpgsql
    stable
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    c_length constant text :=
        '^([+-]?\d{1,8} years? ?)?([+-]?\d{1,2} mons? ?)?([+-]?\d{1,9} days? ?)?([+-]?\d{1,9}:[0-5]\d:[0-5]\d(\.\d{1,6})?)?$';
    c_time constant text :=
        '^(-?infinity|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d(:\d\d)?))$';
    v_numbers bigint[];
begin
    if not pg_catalog.isfinite(p_at) or pg_catalog.jsonb_typeof(p_body) <> 'object' then
        return false;
    end if;

    if p_kind = 'class' then
        return coalesce(
            pg_catalog.jsonb_typeof(p_body -> 'class') = 'string'
            and pg_catalog.jsonb_typeof(p_body -> 'keep') = 'string'
            and p_body ->> 'keep' ~ c_length
            and (p_body ->> 'keep')::interval > interval '0',
            false
        );
    elsif p_kind = 'drop' then
        return coalesce(pg_catalog.jsonb_typeof(p_body -> 'class') in ('string', 'null'), true)
            and coalesce(p_body ->> 'from' ~ c_time and (p_body ->> 'from')::timestamptz >= '-infinity', true)
            and coalesce(p_body ->> 'to' ~ c_time and (p_body ->> 'to')::timestamptz >= '-infinity', true);
    elsif p_kind = 'erasure' then
        return coalesce(
            pg_catalog.jsonb_typeof(p_body -> 'parts') = 'array'
            and (
                select
                    coalesce(
                        pg_catalog.bool_and(
                            pg_catalog.jsonb_array_length(gone.part) = 2
                            and pg_catalog.jsonb_typeof(gone.part -> 0) = 'number'
                            and pg_catalog.jsonb_typeof(gone.part -> 1) = 'number'
                            and (gone.part ->> 0)::bigint is not null
                            and (gone.part ->> 1)::smallint is not null
                        ),
                        true
                    )
                from pg_catalog.jsonb_array_elements(p_body -> 'parts') as gone (part)
            ),
            false
        );
    elsif p_kind in ('held', 'unheld') then
        v_numbers := array(
            select number.entry_id::bigint
            from pg_catalog.jsonb_array_elements_text(p_body -> 'numbers') as number (entry_id)
        );
        return coalesce(
            (p_body ->> 'entries')::bigint >= 0
            and pg_catalog.jsonb_typeof(p_body -> 'entries') = 'number'
            and pg_catalog.array_position(v_numbers, null) is null
            and not pg_catalog.jsonb_path_exists(p_body, 'strict $.numbers[*] ? (@.type() != "number")', silent => true),
            false
        );
    end if;
    return true;
exception
    when data_exception then
        return false;
end;
$$;

comment on function pgerase_log.is_readable(timestamptz, text, jsonb) is 'Whether a record says what the log''s own routines write there.';

revoke all on function pgerase_log.is_readable(timestamptz, text, jsonb) from public;
