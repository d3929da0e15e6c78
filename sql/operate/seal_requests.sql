-- Records of erasures whose request is in no ledger: somebody made them up.
select record.record_id
from pgerase_log.record as record
where record.kind = 'erasure'
    and not exists (
        select
        from pgerase_internal.request as request
        where request.request_id::text = record.body ->> 'request'
            and request.kind = 'erasure'
    )
order by record.record_id
