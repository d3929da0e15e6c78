-- Whether an open request waits for a person's erasure. Security definer because the register is closed: what is handed over
-- while erasing must not go to somebody who is about to be erased too, in whichever batch that is.
create or replace function pgerase_internal.is_requested(p_subject text, p_key text)
    returns boolean
    language sql
    stable
    parallel safe
    security definer
    return exists (
        select
        from pgerase_internal.request_person as person
            join pgerase_internal.request as request on request.request_id = person.request_id
        where person.key = p_key
            and person.state = 'pending'
            and request.subject = p_subject
            and request.kind = 'erasure'
            and request.closed_at is null
    );

comment on function pgerase_internal.is_requested(text, text) is 'Tells whether an open request waits for the erasure of the person with this key.';

revoke all on function pgerase_internal.is_requested(text, text) from public;
grant execute on function pgerase_internal.is_requested(text, text) to pgerase_eraser;
