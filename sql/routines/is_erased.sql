-- Whether a person has been erased. Security definer because the ledger is closed: the generated guards, which run with
-- the eraser's rights, may ask this one question of it. While a person is being erased the answer is still no.
create or replace function pgerase_internal.is_erased(p_subject text, p_key text)
    returns boolean
    language sql
    stable
    parallel safe
    security definer
    return exists (
        select
        from pgerase_internal.erased_person as erased
        where erased.subject = p_subject
            and erased.key = p_key
            and erased.erased_at is not null
    );

comment on function pgerase_internal.is_erased(text, text) is 'Tells whether the person with this key has been erased.';

revoke all on function pgerase_internal.is_erased(text, text) from public;
grant execute on function pgerase_internal.is_erased(text, text) to pgerase_eraser;
