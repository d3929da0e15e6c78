-- Does every segment have its leaves, in their order, and do they come to the root in its header? None is left where the
-- partition was dropped: then a record has to say so, of a time when it was due. A minute is left for clocks that are corrected.
-- What is detached is not looked into, so that nothing is proven of it before its time is over. A record of a table that somebody
-- detached has the times of its rows, which lie somewhere within those of the partition.
-- Security definer because the log is closed.
create or replace function pgerase_log.verify_segments()
    returns table (code text, class text, segment_id bigint, entry_id bigint, part smallint)
    language sql
    stable
    parallel unsafe
    security definer
begin atomic
    with placed as (
        select
            leaf.segment_id,
            leaf.hash,
            leaf.position,
            pg_catalog.row_number() over (
                partition by leaf.segment_id
                order by leaf.entry_id, leaf.at, leaf.position
            ) - 1 = leaf.position as in_order
        from pgerase_log.leaf as leaf
    ),
    grown as (
        select
            placed.segment_id,
            pg_catalog.count(*) as entries,
            pg_catalog.bool_and(placed.in_order) as in_order,
            pgerase_log.root_of_leaves(
                p_hashes => pg_catalog.string_agg(placed.hash, pg_catalog.decode('', 'hex') order by placed.position)
            ) as root
        from placed
        group by placed.segment_id
    ),
    dropped as (
        select
            record.class,
            record.from_at,
            record.to_at,
            record.segment_id,
            record.at >= record.due_at and coalesce(record.sealed_at >= record.due_at - interval '1 minute', true) as is_due
        from pgerase_log.drops() as record
    ),
    apart as materialized (
        select
            known.class,
            known.relation,
            known.lower_bound as from_at,
            known.upper_bound as to_at,
            known.is_due,
            known.is_alone
        from pgerase_log.apart() as known
        where known.family = 'leaf'
    ),
    detached as (
        select apart.class, apart.from_at, apart.to_at, apart.is_due
        from apart
        where apart.is_alone or not apart.is_due

        union all

        -- Nothing but its name tells the bounds of a partition whose class was detached as a whole, or of one that is empty.
        select
            class.class,
            first.at,
            ends.at,
            pgerase_log.kept_until(p_at => ends.at, p_keep => class.keep) <= pg_catalog.statement_timestamp()
        from pgerase_log.unattached('leaf') as lone
            cross join lateral pg_catalog.regexp_match(lone.relation, '_([0-9]+)_[0-9]{8}$') as name (parts)
            join pgerase_log.class as class on class.number::text = name.parts[1]
            cross join lateral (select pgerase_log.named_day(p_relation => lone.relation) as at) as first
            cross join lateral (
                select pgerase_log.next_boundary(p_period => class.period, p_at => first.at) as at
            ) as ends
        where not exists (select from apart where apart.relation = lone.relation)
    )
    select found.code, found.class, found.segment_id, null::bigint, null::smallint
    from (
        select
            case
                when segment.segment_id is null then 'leaf-inserted'
                when grown.entries is null and is_dropped.is_sealed then null
                when grown.entries is null and not is_dropped.is_sealed then 'drop-unsealed'
                when grown.entries is null and is_detached.is_due then 'partition-detached'
                when grown.entries is null and not is_detached.is_due then 'detached-early'
                when grown.entries is null and is_dropped.is_early then 'drop-early'
                when grown.entries is null then 'partition-dropped'
                when grown.entries < segment.entries then 'leaf-missing'
                when grown.entries > segment.entries then 'leaf-inserted'
                when not grown.in_order then 'reordered'
                else 'root-differs'
            end as code,
            segment.class,
            coalesce(segment.segment_id, grown.segment_id) as segment_id
        from (select header.* from pgerase_log.segment as header where header.kind = 'entry') as segment
            full join grown on grown.segment_id = segment.segment_id
            left join lateral (
                -- What was sealed after the record was not there to be dropped.
                select
                    pg_catalog.bool_or(dropped.segment_id is not null) filter (where dropped.is_due) as is_sealed,
                    pg_catalog.bool_or(not dropped.is_due) as is_early
                from dropped
                where dropped.class = segment.class
                    and dropped.from_at < segment.to_at
                    and segment.from_at < dropped.to_at
                    and (dropped.segment_id is null or dropped.segment_id > segment.segment_id)
            ) as is_dropped on true
            left join lateral (
                -- What was sealed when that time was over already was found late, and is kept from then.
                select
                    pg_catalog.bool_and(
                        detached.is_due
                        and (
                            segment.at < pgerase_log.kept_until(p_at => detached.to_at, p_keep => one.keep)
                            or pgerase_log.kept_until(p_at => segment.at, p_keep => one.keep)
                                <= pg_catalog.statement_timestamp()
                        )
                    ) as is_due
                from detached
                    join pgerase_log.class as one on one.class = detached.class
                where detached.class = segment.class
                    and detached.from_at < segment.to_at
                    and segment.from_at < detached.to_at
            ) as is_detached on true
        where grown.entries is distinct from segment.entries
            or grown.root is distinct from segment.root
            or not grown.in_order
    ) as found
    where found.code is not null
    order by found.segment_id;
end;

comment on function pgerase_log.verify_segments() is 'Segments whose leaves are not those that were sealed.';

revoke all on function pgerase_log.verify_segments() from public;
