-- Makes the partitions of a class that are missing: the one a moment lies in, and as many ahead as the class says. They come
-- out of the last partition, which is open above: empty, it is set behind the new ones; where runs were missed and it is being
-- written, it becomes a partition itself, and what is dated later moves. The first partition, open below, follows the oldest.
-- Attaching blocks nobody. What somebody took away comes back first. Only what concerns the two open ones needs the class for
-- itself, and waits for that no longer than writers can do without it. Security definer because the log is closed.
create or replace function pgerase_log.make_partitions(p_class text, p_now timestamptz)
    returns integer
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set timezone = 'UTC'
    set datestyle = 'ISO'
    set lock_timeout = '200ms'
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_number smallint;
    v_period text;
    v_ahead smallint;
    v_tail_from timestamptz;
    v_head_to timestamptz;
    v_tails jsonb;
    v_heads jsonb;
    v_heads_to jsonb;
    v_oldest timestamptz;
    v_future bigint;
    v_bounds timestamptz[] := '{}';
    v_from timestamptz;
    v_to timestamptz;
    v_is_taken boolean := false;
    v_made integer;
    v_family text;
    v_parent text;
    v_name text;
    v_tail text;
    v_is_apart boolean;
    v_newest bigint;
    v_back integer;
begin
    -- One at a time: applying rules and a run may meet.
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('partitions of pgerase.log', 0));

    v_back := pgerase_log.fill_gaps(p_class => p_class, p_now => p_now);

    select one.number, one.period, one.ahead
    into strict v_number, v_period, v_ahead
    from pgerase_log.class as one
    where one.class = p_class;

    -- The oldest of all three tables: a run may have been killed when it had detached one of them.
    select
        pg_catalog.min(found.lower_bound) filter (where found.upper_bound = 'infinity'),
        pg_catalog.min(found.lower_bound) filter (where found.lower_bound > '-infinity'),
        pg_catalog.count(*) filter (
            where found.family = 'entry' and found.lower_bound > p_now and found.upper_bound < 'infinity'
        ),
        pg_catalog.jsonb_object_agg(found.family, found.relation) filter (where found.upper_bound = 'infinity'),
        coalesce(
            pg_catalog.jsonb_object_agg(found.family, found.relation) filter (where found.lower_bound = '-infinity'),
            '{}'
        ),
        coalesce(
            pg_catalog.jsonb_object_agg(found.family, found.upper_bound) filter (where found.lower_bound = '-infinity'),
            '{}'
        )
    into v_tail_from, v_oldest, v_future, v_tails, v_heads, v_heads_to
    from pgerase_log.partitions() as found
    where found.class = p_class;

    v_from := coalesce(
        v_tail_from,
        pg_catalog.date_trunc(v_period, p_now at time zone 'UTC') at time zone 'UTC'
    );
    v_oldest := coalesce(v_oldest, v_from);
    v_to := v_from;

    if p_now >= v_from then
        v_is_taken := v_tail_from is not null;
        v_to := pgerase_log.next_boundary(p_period => v_period, p_at => p_now);
        v_bounds := v_bounds || v_to;
    end if;

    while v_future < v_ahead loop
        v_to := pgerase_log.next_boundary(p_period => v_period, p_at => v_to);
        v_bounds := v_bounds || v_to;
        v_future := v_future + 1;
    end loop;

    v_is_apart := exists (
        select
        from pg_catalog.unnest(array['entry', 'value', 'leaf']) as part (family)
        where (v_heads_to ->> part.family)::timestamptz is distinct from v_oldest
    );

    if v_bounds <> '{}' or v_is_apart then
        if v_tail_from is not null then
            execute pg_catalog.format(
                'lock table %1$I.%2$I, %1$I.%3$I, %1$I.%4$I in access exclusive mode',
                'pgerase_log',
                pg_catalog.format('entry_%s', v_number),
                pg_catalog.format('value_%s', v_number),
                pg_catalog.format('leaf_%s', v_number)
            );
        end if;

        foreach v_family in array array['entry', 'value', 'leaf'] loop
            v_parent := pg_catalog.format('%s_%s', v_family, v_number);

            v_name := v_heads ->> v_family;
            v_head_to := (v_heads_to ->> v_family)::timestamptz;

            if v_head_to is distinct from v_oldest then
                if v_head_to is not null then
                    execute pg_catalog.format(
                        'alter table %1$I.%2$I detach partition %1$I.%3$I',
                        'pgerase_log',
                        v_parent,
                        v_name
                    );
                else
                    -- The one before may be there still, detached.
                    v_name := pg_catalog.concat(v_parent, '_head_', pg_catalog.to_char(v_oldest, 'YYYYMMDD'));
                    perform pgerase_log.make_table(p_family => v_family, p_name => v_name, p_is_class => false);
                end if;
                execute pg_catalog.format(
                    'alter table %1$I.%2$I attach partition %1$I.%3$I for values from (minvalue) to (%4$L)',
                    'pgerase_log',
                    v_parent,
                    v_name,
                    v_oldest
                );
            end if;

            continue when v_bounds = '{}';

            if v_tail_from is null then
                v_tail := pg_catalog.concat(v_parent, '_tail');
                perform pgerase_log.make_table(p_family => v_family, p_name => v_tail, p_is_class => false);
            else
                v_tail := v_tails ->> v_family;
                execute pg_catalog.format('alter table %1$I.%2$I detach partition %1$I.%3$I', 'pgerase_log', v_parent, v_tail);
            end if;

            if v_is_taken then
                v_name := pg_catalog.concat(v_parent, '_', pg_catalog.to_char(v_from, 'YYYYMMDD'));
                execute pg_catalog.format('alter table %I.%I rename to %I', 'pgerase_log', v_tail, v_name);
                perform pgerase_log.make_table(p_family => v_family, p_name => v_tail, p_is_class => false);
                execute pg_catalog.format(
                    'alter table %1$I.%2$I attach partition %1$I.%3$I for values from (%4$L) to (maxvalue)',
                    'pgerase_log',
                    v_parent,
                    v_tail,
                    v_to
                );
                v_tail := v_name;
            end if;

            for v_made in
                select pg_catalog.generate_series(case when v_is_taken then 2 else 1 end, pg_catalog.cardinality(v_bounds))
            loop
                v_name := pg_catalog.concat(
                    v_parent,
                    '_',
                    pg_catalog.to_char(case when v_made = 1 then v_from else v_bounds[v_made - 1] end, 'YYYYMMDD')
                );
                perform pgerase_log.make_table(p_family => v_family, p_name => v_name, p_is_class => false);
                execute pg_catalog.format(
                    'alter table %1$I.%2$I attach partition %1$I.%3$I for values from (%4$L) to (%5$L)',
                    'pgerase_log',
                    v_parent,
                    v_name,
                    case when v_made = 1 then v_from else v_bounds[v_made - 1] end,
                    v_bounds[v_made]
                );
            end loop;

            -- What a clock that was ahead has dated past the bound goes where it belongs now.
            perform pg_catalog.set_config('pgerase.log_change', 'allowed', true);
            execute pg_catalog.format(
                'with moved as (delete from %1$I.%2$I as late where late.at %3$s %4$L returning late.*)'
                ' insert into %1$I.%5$I overriding system value select moved.* from moved',
                'pgerase_log',
                v_tail,
                case when v_is_taken then '>=' else '<' end,
                case when v_is_taken then v_bounds[1] else v_to end,
                v_family
            );
            perform pg_catalog.set_config('pgerase.log_change', '', true);

            execute pg_catalog.format(
                'alter table %1$I.%2$I attach partition %1$I.%3$I for values from (%4$s) to (%5$s)',
                'pgerase_log',
                v_parent,
                v_tail,
                case when v_is_taken then pg_catalog.quote_literal(v_from) else pg_catalog.quote_literal(v_to) end,
                case when v_is_taken then pg_catalog.quote_literal(v_bounds[1]) else 'maxvalue' end
            );
        end loop;
    end if;

    -- Their dates are wrong, so their time is counted from when they were found: the last of them is no younger.
    select pg_catalog.max(early.entry_id)
    into strict v_newest
    from pgerase_log.entry as early
    where early.class = p_class
        and early.at < v_oldest;

    update pgerase_log.class as one
    set
        early_since = case when v_newest is not null then p_now end,
        early_newest = v_newest
    where one.class = p_class
        and one.early_newest is distinct from v_newest;

    return pg_catalog.cardinality(v_bounds) + v_back;
end;
$$;

comment on function pgerase_log.make_partitions(text, timestamptz) is 'Makes the partitions of a class that are missing at a moment, and returns how many.';

revoke all on function pgerase_log.make_partitions(text, timestamptz) from public;
