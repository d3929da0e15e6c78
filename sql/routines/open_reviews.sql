-- The support grants that somebody has still to review: their entries are kept past their time until then. Security definer
-- because the ledger is closed; for the log, which knows grants by their numbers only.
create or replace function pgerase_internal.open_reviews()
    returns bigint[]
    language sql
    stable
    parallel safe
    security definer
begin atomic
    select coalesce(pg_catalog.array_agg(reviewed.grant_id order by reviewed.grant_id), '{}')
    from pgerase_internal.support_grant as reviewed
    where reviewed.review_due is not null
        and reviewed.reviewed_at is null
        -- One that nobody approved opened nothing, and nobody reviews it.
        and (reviewed.approved_at is not null or not reviewed.second_person);
end;

comment on function pgerase_internal.open_reviews() is 'Returns the support grants that somebody has still to review.';

revoke all on function pgerase_internal.open_reviews() from public;
grant execute on function pgerase_internal.open_reviews() to pgerase_keeper;
