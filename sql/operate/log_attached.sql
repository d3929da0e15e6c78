-- The last so many partitions that a class was given back, as records say, in their order. Null is open.
select
    back.body ->> 'table' as relation,
    (back.body ->> 'from')::timestamptz as lower_bound,
    (back.body ->> 'to')::timestamptz as upper_bound,
    (back.body ->> 'anew')::boolean as is_anew
from (
    select record.record_id, record.body
    from pgerase_log.record as record
    where record.kind = 'attach'
        and record.body ->> 'class' = %(name)s
    order by record.record_id desc
    limit %(count)s
) as back
order by back.record_id
