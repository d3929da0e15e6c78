-- Requests with how far each got: one of them, or all that are open, or all.
select
    request.request_id as number,
    request.kind,
    request.subject,
    request.reference,
    request.received_at,
    request.due_on,
    request.closed_at,
    request.outcome,
    pg_catalog.count(person.key) as people,
    pg_catalog.count(person.key) filter (where person.state = 'pending') as pending,
    pg_catalog.count(person.key) filter (where person.state = 'done') as done,
    pg_catalog.count(person.key) filter (where person.state = 'failed') as failed
from pgerase_internal.request as request
    left join pgerase_internal.request_person as person on person.request_id = request.request_id
where (%(number)s::bigint is null or request.request_id = %(number)s::bigint)
    and (%(closed)s::boolean or request.closed_at is null)
group by request.request_id
order by request.closed_at is not null, request.due_on, request.request_id
