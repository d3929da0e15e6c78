-- Entries of the log in the order of their numbers, the first so many between two numbers: those that can be seen in one
-- snapshot and, where another is given, could not be in that. All else narrows. Of what is somebody's come names of columns, or
-- values; where one person is asked for, only how many others have some. Values come as the text of their JSON, so that no
-- reader's idea of numbers alters a digit. Of parts that are gone those are erased that a record names, as for `audit verify`.
with chosen as materialized (
    select entry.*
    from pgerase_log.entry
        cross join lateral (
            -- What was restored from a dump has the numbers of another server's transactions, and was there from the beginning.
            select
                entry.entry_id > %(known)s::bigint
                or coalesce(entry.xact < %(mark)s::text::xid8, true)
                or entry.at >= %(began)s::timestamptz as is_ours
        ) as told
    where entry.entry_id > %(after)s::bigint
        and entry.entry_id <= %(upto)s::bigint
        and (
            %(unseen)s::pg_snapshot is null
            or (
                not pg_catalog.pg_visible_in_snapshot(entry.xact, %(unseen)s::pg_snapshot)
                and told.is_ours
            )
        )
        and (
            pg_catalog.pg_visible_in_snapshot(entry.xact, %(seen)s::pg_snapshot)
            or not told.is_ours
        )
        and (%(since)s::timestamptz is null or entry.at >= %(since)s::timestamptz)
        and (
            %(relation)s::text is null
            or entry.relation = %(relation)s::text
            or pg_catalog.right(entry.relation, pg_catalog.length(%(relation)s::text) + 1) = '.' || %(relation)s::text
        )
        and (%(actor)s::text is null or entry.actor = %(actor)s::text)
        and (%(actions)s::text[] is null or entry.action = any (%(actions)s::text[]))
        and (
            %(subject)s::text is null
            or exists (
                select
                from pgerase_log.value
                where value.class = entry.class
                    and value.at = entry.at
                    and value.entry_id = entry.entry_id
                    and value.subject = %(subject)s::text
                    and value.person = %(person)s::text
            )
        )
        and (
            %(key)s::jsonb is null
            -- What emptied the table emptied it of this row.
            or entry.action = 'truncate'
            or not exists (
                select
                from pg_catalog.jsonb_each_text(%(key)s::jsonb) as wanted (column_name, value)
                where wanted.value is distinct from (coalesce(entry.key, '{}') ->> wanted.column_name)
                    -- 70 is 70.00 where the key is a number, and not where it is a text.
                    and (%(numbers)s::jsonb -> wanted.column_name)
                        is distinct from (coalesce(entry.key, '{}') -> wanted.column_name)
            )
        )
    order by entry.entry_id
    limit %(limit)s::bigint
),
whole as materialized (
    select
        chosen.*,
        apart.people,
        apart.others,
        apart.there
    from chosen
        cross join lateral (
            select
                pg_catalog.json_agg(
                    pg_catalog.json_build_object(
                        'subject', value.subject,
                        'person', case when %(values)s::boolean then value.person end,
                        'old', named.old,
                        'new', named.new
                    )
                    order by value.part
                ) filter (where asked.is_for) as people,
                pg_catalog.count(*) filter (where not asked.is_for) as others,
                coalesce(pg_catalog.array_agg(value.part), '{}') as there
            from pgerase_log.value
                cross join lateral (
                    select
                        %(subject)s::text is null
                        or (value.subject = %(subject)s::text and value.person is not distinct from %(person)s::text) as is_for
                ) as asked
                cross join lateral (
                    select
                        coalesce(
                            (
                                select pg_catalog.json_object_agg(
                                    one.name,
                                    case when %(values)s::boolean then one.value::text end
                                )
                                from pg_catalog.jsonb_each(value.old) as one (name, value)
                            ),
                            value.old::json
                        ) as old,
                        coalesce(
                            (
                                select pg_catalog.json_object_agg(
                                    one.name,
                                    case when %(values)s::boolean then one.value::text end
                                )
                                from pg_catalog.jsonb_each(value.new) as one (name, value)
                            ),
                            value.new::json
                        ) as new
                ) as named
            where value.class = chosen.class
                and value.at = chosen.at
                and value.entry_id = chosen.entry_id
        ) as apart
),
gone as materialized (
    select whole.entry_id, whole.at, number.part
    from whole
        cross join lateral pg_catalog.generate_series(1, whole.parts) as number (part)
    where number.part <> all (whole.there)
),
bounds as (
    select
        -- What was erased was there before: a day is for clocks that were set back.
        pg_catalog.min(gone.at) - interval '1 day' as since,
        pg_catalog.to_jsonb(pg_catalog.min(gone.entry_id)) as first,
        pg_catalog.to_jsonb(pg_catalog.max(gone.entry_id)) as last
    from gone
),
erased as (
    select named.part
    from bounds
        join pgerase_log.record on record.kind = 'erasure' and record.at >= bounds.since
        -- Fails for no record, whatever somebody wrote into it.
        cross join lateral pg_catalog.jsonb_path_query(record.body, '$.parts[*]') as named (part)
    where named.part -> 0 between bounds.first and bounds.last
),
lost as (
    select
        gone.entry_id,
        pg_catalog.count(distinct gone.part) filter (where erased.part is not null) as erased,
        pg_catalog.count(distinct gone.part) filter (where erased.part is null) as missing
    from gone
        left join erased on erased.part = pg_catalog.jsonb_build_array(gone.entry_id, gone.part)
    group by gone.entry_id
)
select
    whole.entry_id,
    whole.at,
    whole.xact::text as xact,
    whole.relation,
    whole.action,
    whole.actor,
    whole.login,
    whole.role,
    whole.request,
    whole.purpose,
    whole.grant_id,
    shown.key,
    shown.old,
    shown.new,
    coalesce(whole.people, '[]'::json) as people,
    whole.others,
    coalesce(lost.erased, 0) as erased,
    coalesce(lost.missing, 0) as missing
from whole
    cross join lateral (
        select
            coalesce(
                (
                    select pg_catalog.json_object_agg(one.name, one.value::text)
                    from pg_catalog.jsonb_each(whole.key) as one (name, value)
                ),
                whole.key::json
            ) as key,
            coalesce(
                (
                    select pg_catalog.json_object_agg(one.name, one.value::text)
                    from pg_catalog.jsonb_each(whole.old) as one (name, value)
                ),
                whole.old::json
            ) as old,
            coalesce(
                (
                    select pg_catalog.json_object_agg(one.name, one.value::text)
                    from pg_catalog.jsonb_each(whole.new) as one (name, value)
                ),
                whole.new::json
            ) as new
    ) as shown
    left join lost on lost.entry_id = whole.entry_id
order by whole.entry_id
