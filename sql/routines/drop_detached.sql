-- Drops the detached tables of the log that are due, one of entries with those of their values and leaves, which have its class
-- and what follows in its name: what a hold is about is copied in the same transaction, which also records what went. Where one
-- of the three is still attached, the others wait for it. Where something of others depends on one of them, all three stay, and
-- the rest goes; so do entries that are not sealed, until pgerase.allow_drop says that they may go. Security definer because the
-- log is closed.
create or replace function pgerase_log.drop_detached(p_run bigint, p_now timestamptz)
    returns table (relation text, outcome text)
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set timezone = 'UTC'
    set lock_timeout = '2s'
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_group record;
    v_first bigint;
    v_last bigint;
    v_held bigint;
    v_unsealed text[];
    v_table text;
begin
    -- No hold is placed meanwhile.
    perform pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended('holds of pgerase.log', 0));
    -- Not beside sealing, which looks at what is detached as well.
    perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('pgerase_log', 2));

    -- Asked of all before any goes, since the leaves of one may lie in another.
    v_unsealed := array(
        select apart.relation
        from pgerase_log.detached() as apart
        where apart.family = 'entry'
            and apart.due_at <= p_now
            and pg_catalog.current_setting('pgerase.allow_drop', true) is distinct from 'on'
            and pgerase_log.first_unsealed(p_entry => apart.relation) is not null
    );

    for v_group in
        select
            found.name,
            found.class,
            pg_catalog.array_agg(found.relation order by found.relation) as tables,
            pg_catalog.min(found.relation) filter (where found.family = 'entry') as entries,
            pg_catalog.min(found.relation) filter (where found.family = 'value') as people,
            pg_catalog.min(found.relation) filter (where found.family = 'leaf') as leaves,
            pg_catalog.min(found.lower_bound) as lower_bound,
            pg_catalog.max(found.upper_bound) as upper_bound,
            pg_catalog.max(found.due_at) as due_at
        from (
            select
                named.name,
                named.relation,
                named.family,
                named.lower_bound,
                named.upper_bound,
                named.due_at,
                -- Of which class an empty one was, the others tell.
                coalesce(named.class, pg_catalog.min(named.class) over (partition by named.name)) as class
            from (
                select pg_catalog.regexp_replace(apart.relation, '^(entry|value|leaf)_', '') as name, apart.*
                from pgerase_log.detached() as apart
            ) as named
        ) as found
        group by found.name, found.class
        order by found.name, found.class
    loop
        if v_group.due_at > p_now then
            outcome := 'kept';
        elsif exists (
            select
            from pgerase_log.partitions() as attached
            where pg_catalog.regexp_replace(attached.relation, '^(entry|value|leaf)_', '') = v_group.name
                and attached.class = coalesce(v_group.class, attached.class)
        ) then
            outcome := 'detached';
        elsif
            pg_catalog.num_nulls(v_group.entries, v_group.people, v_group.leaves) between 1 and 2
            and (
                pg_catalog.cardinality(pgerase_log.held_grants()) > 0
                or exists (select from pgerase_log.hold as placed where placed.released_at is null)
            )
        then
            -- Somebody took them apart: who is held in it cannot be told.
            outcome := 'held back';
        elsif v_group.entries = any (v_unsealed) then
            outcome := 'unsealed';
        else
            begin
                outcome := 'dropped';
                v_held := 0;
                v_first := null;
                v_last := null;
                if v_group.entries is not null and v_group.people is not null and v_group.leaves is not null then
                    v_held := pgerase_log.keep_held(
                        p_entry => v_group.entries,
                        p_value => v_group.people,
                        p_leaf => v_group.leaves,
                        p_due => v_group.due_at
                    );
                end if;
                if v_group.leaves is not null then
                    execute pg_catalog.format(
                        'select pg_catalog.min(leaf.segment_id), pg_catalog.max(leaf.segment_id) from %I.%I as leaf',
                        'pgerase_log',
                        v_group.leaves
                    )
                    into strict v_first, v_last;
                end if;

                -- Dated by the clock that said it was due: verifying asks whether its time was over.
                insert into pgerase_log.record (at, kind, body)
                values (
                    p_now,
                    'drop',
                    pg_catalog.jsonb_build_object(
                        'run', p_run,
                        'class', v_group.class,
                        'tables', v_group.tables,
                        'from', v_group.lower_bound,
                        'to', v_group.upper_bound,
                        'due', v_group.due_at,
                        'first_segment', v_first,
                        'last_segment', v_last,
                        'held_late', v_held
                    )
                );
                foreach v_table in array v_group.tables loop
                    execute pg_catalog.format('drop table %I.%I', 'pgerase_log', v_table);
                end loop;
            exception
                when dependent_objects_still_exist then
                    outcome := 'needed';
            end;
        end if;

        foreach relation in array v_group.tables loop
            return next;
        end loop;
    end loop;
end;
$$;

comment on function pgerase_log.drop_detached(bigint, timestamptz) is 'Drops the detached tables of the log that are due, and says what became of each.';

revoke all on function pgerase_log.drop_detached(bigint, timestamptz) from public;
