-- Everything the ledger knows about these people, oldest first.
select
    person.key,
    event.at,
    event.what,
    request.request_id as number,
    request.kind,
    coalesce(request.reference, '') as reference,
    event.detail
from pgerase_internal.request as request
    join pgerase_internal.request_person as person on person.request_id = request.request_id
    cross join lateral (
        values
            (request.received_at, 'received', 'due ' || request.due_on::text),
            (person.planned_at, 'planned', ''),
            (
                person.failed_at,
                'failed',
                pg_catalog.concat_ws(' ', person.sqlstate, person.failed_relation, person.failed_constraint)
            ),
            (person.done_at, 'erased', ''),
            (request.closed_at, 'closed', request.outcome)
    ) as event (at, what, detail)
where request.subject = %(subject)s::text
    and person.key = any (%(keys)s::text[])
    and event.at is not null
order by person.key, event.at, request.request_id, event.what
