-- How long classes are kept: each record that made a length shorter than the one before; and classes of which the last record
-- says another length than the log's own table, which are changed together. Months and days are counted from the record, whose
-- time is within what every client can read. Records that cannot be read stand between no two others.
with defined as (
    select
        record.record_id,
        greatest(least(record.at, timestamptz '9999-01-01 00:00Z'), timestamptz '0002-01-01 00:00Z') as at,
        record.body ->> 'class' as class,
        (record.body ->> 'keep')::interval as keep,
        pg_catalog.lag((record.body ->> 'keep')::interval) over same as before,
        pg_catalog.lead(record.record_id) over same is null as is_last
    from pgerase_log.record as record
    where record.kind = 'class'
        and pgerase_log.is_readable(p_at => record.at, p_kind => record.kind, p_body => record.body)
    window same as (partition by record.body ->> 'class' order by record.record_id)
)
select
    'keep-shortened' as code,
    defined.record_id,
    defined.class,
    defined.at,
    defined.before::text as before,
    defined.keep::text as keep
from defined
where pgerase_log.kept_until(p_at => defined.at, p_keep => defined.keep)
    < pgerase_log.kept_until(p_at => defined.at, p_keep => defined.before)

union all

select 'class-differs', defined.record_id, defined.class, null, class.keep::text, defined.keep::text
from defined
    left join pgerase_log.class as class on class.class = defined.class
where defined.is_last
    -- By what they are made of: a month is not thirty days.
    and (class.class is null or class.keep::text is distinct from defined.keep::text)
order by 2, 1
