-- Entries of the log in the order of their numbers, the first so many between two numbers: those that can be seen in one snapshot
-- and, where another is given, could not be in that. All else narrows. Of what is somebody's come names of columns, or values.
-- Values come as the text of their JSON, so that no reader's idea of numbers alters a digit.
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
)
select
    chosen.entry_id,
    chosen.at,
    chosen.xact::text as xact,
    chosen.relation,
    chosen.action,
    chosen.actor,
    chosen.login,
    chosen.role,
    chosen.request,
    chosen.purpose,
    chosen.grant_id,
    shown.key,
    shown.old,
    shown.new,
    chosen.parts,
    coalesce(apart.people, '[]'::json) as people
from chosen
    cross join lateral (
        select
            coalesce(
                (
                    select pg_catalog.json_object_agg(one.name, one.value::text)
                    from pg_catalog.jsonb_each(chosen.key) as one (name, value)
                ),
                chosen.key::json
            ) as key,
            coalesce(
                (
                    select pg_catalog.json_object_agg(one.name, one.value::text)
                    from pg_catalog.jsonb_each(chosen.old) as one (name, value)
                ),
                chosen.old::json
            ) as old,
            coalesce(
                (
                    select pg_catalog.json_object_agg(one.name, one.value::text)
                    from pg_catalog.jsonb_each(chosen.new) as one (name, value)
                ),
                chosen.new::json
            ) as new
    ) as shown
    left join lateral (
        select
            pg_catalog.json_agg(
                pg_catalog.json_build_object(
                    'subject', value.subject,
                    'person', case when %(values)s::boolean then value.person end,
                    'old', named.old,
                    'new', named.new
                )
                order by value.part
            ) as people
        from pgerase_log.value
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
    ) as apart on true
order by chosen.entry_id
