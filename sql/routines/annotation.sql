-- What annotate has put into one of its settings, where its stamp is that of this transaction; else null. One expression
-- without subqueries, so that the planner inlines it. A client may have set more than annotate takes: that is cut.
create or replace function pgerase_log.annotation(p_setting text)
    returns text
    language sql
    stable
    parallel safe
    security invoker
    return
        case
            when coalesce(pg_catalog.current_setting(p_setting, true), '') = '' then null
            when pg_catalog.right(
                pg_catalog.current_setting(p_setting, true),
                pg_catalog.length(extract(epoch from pg_catalog.now())::text) + 1
            ) = '@' || extract(epoch from pg_catalog.now())::text
            then nullif(
                pg_catalog.left(
                    pg_catalog.left(
                        pg_catalog.current_setting(p_setting, true),
                        -(pg_catalog.length(extract(epoch from pg_catalog.now())::text) + 1)
                    ),
                    1000
                ),
                ''
            )
        end;

comment on function pgerase_log.annotation(text) is 'The request or the purpose that this transaction has named; null where it has named none.';

revoke all on function pgerase_log.annotation(text) from public;
