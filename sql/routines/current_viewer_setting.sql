-- The viewer's key: what comes before the stamp, where the stamp is that of this transaction.
-- A value left over in a pooled session, set for the session, set without a stamp or stamped by an earlier transaction is no
-- identity: null. Keys may hold any character, '@' included, since only the end is compared. One expression without
-- subqueries, so that the planner inlines it.
create or replace function pgerase.current_viewer()
    returns text
    language sql
    stable
    parallel safe
    security invoker
    return
        case
            when pg_catalog.right(
                pg_catalog.current_setting('pgerase.viewer', true),
                pg_catalog.length(extract(epoch from pg_catalog.now())::text) + 1
            ) = '@' || extract(epoch from pg_catalog.now())::text
            then nullif(
                pg_catalog.left(
                    pg_catalog.current_setting('pgerase.viewer', true),
                    -(pg_catalog.length(extract(epoch from pg_catalog.now())::text) + 1)
                ),
                ''
            )
        end;

comment on function pgerase.current_viewer() is 'The key of the viewer this transaction runs for; null where there is no valid identity.';

revoke all on function pgerase.current_viewer() from public;
grant execute on function pgerase.current_viewer() to pgerase_viewer, pgerase_lookup, pgerase_keeper;
