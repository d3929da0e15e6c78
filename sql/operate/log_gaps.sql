-- The times for which a class has no partition, and of which tables: writes of then fail. Null is open.
select
    missing.class,
    missing.families,
    missing.lower_bound,
    missing.upper_bound,
    missing.span @> %(now)s::timestamptz as is_now
from (
    select
        whole.class,
        pg_catalog.array_agg(whole.family order by whole.family) as families,
        nullif(pg_catalog.lower(span), '-infinity') as lower_bound,
        nullif(pg_catalog.upper(span), 'infinity') as upper_bound,
        span
    from (
        select
            piece.class,
            piece.family,
            pg_catalog.unnest(
                pg_catalog.range_agg(pg_catalog.tstzrange(piece.lower_bound, piece.upper_bound))
            ) as span
        from pgerase_log.gaps(p_now => %(now)s) as piece
        group by piece.class, piece.family
    ) as whole
    group by whole.class, whole.span
) as missing
order by missing.class, missing.span
