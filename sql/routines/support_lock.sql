-- The lock that opening support access to a person and erasing the person wait for each other by. A few for all people, so that
-- erasing many takes no more than these.
create or replace function pgerase_internal.support_lock(p_subject text, p_person text)
    returns bigint
    language sql
    immutable
    parallel safe
    security invoker
    return pg_catalog.hashtextextended(
        'pgerase.support '
        || (pg_catalog.hashtextextended(support_lock.p_subject || ' ' || support_lock.p_person, 0) & 63)::text,
        0
    );

comment on function pgerase_internal.support_lock(text, text) is 'Returns the lock that opening support access and erasing have in common.';

revoke all on function pgerase_internal.support_lock(text, text) from public;
