-- The times for which a class has no partition of entry, value or leaf, in pieces as partitions would have them: where another
-- of the three has one, alike, else by the class's period. Writes of these times fail. What is expired is left out, but for
-- leaves of entries that are there: retention leaves it behind, until the first partition follows. A piece that is infinite
-- below or above stands for the first or the last partition; both, where the class has none at all. Detached tables are not
-- cut, as far as their bounds are known.
create or replace function pgerase_log.gaps(p_now timestamptz)
    returns table (class text, family text, parent text, lower_bound timestamptz, upper_bound timestamptz)
    language sql
    stable
    parallel unsafe
    security invoker
begin atomic
    with attached as materialized (
        select
            found.class,
            found.family,
            found.lower_bound,
            found.upper_bound,
            pg_catalog.tstzrange(found.lower_bound, found.upper_bound) as span
        from pgerase_log.partitions() as found
    ),
    covered as (
        select attached.class, attached.family, pg_catalog.range_agg(attached.span) as spans
        from attached
        group by attached.class, attached.family
    ),
    known as (
        select attached.class, pg_catalog.range_agg(attached.span) as spans
        from attached
        group by attached.class
    ),
    bound as (
        select attached.class, end_of.at
        from attached
            cross join lateral (values (attached.lower_bound), (attached.upper_bound)) as end_of (at)

        union

        select one.class, end_of.at
        from pgerase_log.class as one
            cross join (values ('-infinity'::timestamptz), ('infinity')) as end_of (at)
    ),
    reach as (
        select
            bound.class,
            bound.at as lower_bound,
            pg_catalog.lead(bound.at) over (partition by bound.class order by bound.at) as upper_bound
        from bound
    ),
    cut as (
        select bound.class, bound.at
        from bound

        union

        select reach.class, step.at at time zone 'UTC'
        from reach
            join pgerase_log.class as one on one.class = reach.class
            join known on known.class = reach.class
            -- Null where one of the ends is infinite: then there is no step.
            cross join lateral (
                select case
                    when pg_catalog.isfinite(reach.lower_bound) and pg_catalog.isfinite(reach.upper_bound)
                        then pgerase_log.next_boundary(p_period => one.period, p_at => reach.lower_bound) at time zone 'UTC'
                end as at
            ) as first
            cross join lateral pg_catalog.generate_series(
                first.at,
                reach.upper_bound at time zone 'UTC',
                pg_catalog.concat('1 ', one.period)::interval
            ) as step (at)
        where not known.spans @> pg_catalog.tstzrange(reach.lower_bound, reach.upper_bound)
            and not exists (
                select
                from pgerase_log.detached() as apart
                where apart.class = reach.class
                    and apart.lower_bound < step.at at time zone 'UTC'
                    and apart.upper_bound > step.at at time zone 'UTC'
            )

        union

        -- Where the last one and some before it are missing in all three, or the first one and some after it, only names say
        -- where these began. Each ended, as far as it was written, where the period does, or where the next one began.
        select reach.class, end_of.at
        from reach
            join pgerase_log.class as one on one.class = reach.class
            join known on known.class = reach.class
            cross join pgerase_log.detached() as apart
            cross join lateral (select pgerase_log.named_day(p_relation => apart.relation) as at) as first
            cross join lateral (
                values
                (first.at),
                (
                    pgerase_log.next_boundary(
                        p_period => one.period,
                        p_at => greatest(first.at, apart.upper_bound - interval '1 microsecond')
                    )
                )
            ) as end_of (at)
        where pg_catalog.isfinite(reach.lower_bound) <> pg_catalog.isfinite(reach.upper_bound)
            and not known.spans @> pg_catalog.tstzrange(reach.lower_bound, reach.upper_bound)
            and apart.relation ~ pg_catalog.concat('^(entry|value|leaf)_', one.number, '_\d{8}$')
            and first.at >= reach.lower_bound
            and first.at < reach.upper_bound
            and end_of.at < reach.upper_bound
    ),
    piece as (
        select
            cut.class,
            cut.at as lower_bound,
            pg_catalog.lead(cut.at) over (partition by cut.class order by cut.at) as upper_bound
        from cut
    )
    select
        piece.class,
        each.family,
        pg_catalog.concat(each.family, '_', one.number),
        piece.lower_bound,
        piece.upper_bound
    from piece
        join pgerase_log.class as one on one.class = piece.class
        cross join (values ('entry'), ('value'), ('leaf')) as each (family)
        left join covered on covered.class = piece.class and covered.family = each.family
    where piece.upper_bound is not null
        and not coalesce(covered.spans @> pg_catalog.tstzrange(piece.lower_bound, piece.upper_bound), false)
        and (
            piece.lower_bound = '-infinity'
            -- As partitions() says when one is due; months and days are counted in UTC.
            or greatest(
                (piece.upper_bound at time zone 'UTC' + one.keep) at time zone 'UTC',
                (
                    (piece.upper_bound - interval '1 microsecond') at time zone 'UTC'
                    + one.keep
                    + interval '1 microsecond'
                ) at time zone 'UTC'
            ) > gaps.p_now
            -- Entries that are there still have to be sealed before they go.
            or (
                each.family = 'leaf'
                and exists (
                    select
                    from covered as entries
                    where entries.class = piece.class
                        and entries.family = 'entry'
                        and entries.spans @> pg_catalog.tstzrange(piece.lower_bound, piece.upper_bound)
                )
            )
        )
    order by piece.class, piece.lower_bound, each.family;
end;

comment on function pgerase_log.gaps(timestamptz) is 'Returns the times for which a class has no partition, and that are not expired.';

revoke all on function pgerase_log.gaps(timestamptz) from public;
