-- Ends what is known of support access when the log's entries about it end: grants that are over, with tickets and messages, once
-- they were kept as long as the class support says; never before a review that is due, nor while the person is held. Security
-- definer because grants are closed. The record names grants by number.
create or replace function pgerase_internal.prune_support(p_now timestamptz)
    returns bigint
    language plpgsql
    volatile
    parallel unsafe
    security definer
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_keep constant interval := pgerase_log.keep_of(p_class => 'support');
    v_grants bigint[];
    v_pruned bigint := 0;
begin
    loop
        select coalesce(pg_catalog.array_agg(past.grant_id order by past.grant_id), '{}')
        into strict v_grants
        from (
            select over.grant_id
            from pgerase_internal.support_grant as over
            where greatest(coalesce(over.closed_at, over.until), over.reviewed_at) + v_keep <= p_now
                and (
                    over.review_due is null
                    or over.reviewed_at is not null
                    -- One that nobody approved opened nothing, and nobody reviews it.
                    or (over.second_person and over.approved_at is null)
                )
                and not pgerase_log.is_held(p_subject => over.subject, p_key => over.person)
            order by over.grant_id
            limit 1000
            for update skip locked
        ) as past;

        exit when v_grants = '{}';

        delete from pgerase_internal.support_ticket as taken
        where taken.grant_id = any (v_grants);

        -- Messages go with the grant they are about.
        delete from pgerase_internal.support_grant as over
        where over.grant_id = any (v_grants);

        perform pgerase_log.add_record(
            p_kind => 'prune',
            p_body => pg_catalog.jsonb_build_object('class', 'support', 'grants', v_grants)
        );
        v_pruned := v_pruned + pg_catalog.cardinality(v_grants);
    end loop;

    return v_pruned;
end;
$$;

comment on function pgerase_internal.prune_support(timestamptz) is 'Ends grants that are over for as long as the log keeps their entries, and returns how many.';

revoke all on function pgerase_internal.prune_support(timestamptz) from public;
