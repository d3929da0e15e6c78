-- Is every entry that was sealed there, and as it was? Hashes are computed anew from what the entries say now: a leaf says
-- nothing of an entry that was changed. Entries that are not sealed, though their number says that they should be, came later.
-- Security definer because the log is closed.
create or replace function pgerase_log.verify_entries()
    returns table (code text, class text, segment_id bigint, entry_id bigint, part smallint)
    language sql
    stable
    parallel unsafe
    security definer
begin atomic
    select found.code, found.class, found.segment_id, found.entry_id, null::smallint
    from (
        select
            case
                when leaf.entry_id is null then 'entry-inserted'
                when entry.entry_id is null then 'entry-missing'
                else 'entry-changed'
            end as code,
            coalesce(leaf.class, entry.class) as class,
            leaf.segment_id,
            coalesce(leaf.entry_id, entry.entry_id) as entry_id
        from pgerase_log.leaf as leaf
            full join pgerase_log.entry as entry
                on entry.class = leaf.class and entry.at = leaf.at and entry.entry_id = leaf.entry_id
        where case
            when leaf.entry_id is null
                then entry.entry_id <= (select pg_catalog.max(segment.floor) from pgerase_log.segment as segment)
            when entry.entry_id is null then true
            else leaf.hash is distinct from pgerase_log.text_hash(
                p_text => pgerase_log.entry_text(
                    entry.class, entry.at, entry.entry_id, entry.xact, entry.relation, entry.action, entry.actor, entry.login,
                    entry.role, entry.request, entry.purpose, entry.grant_id, entry.key, entry.old, entry.new, entry.parts
                ),
                p_salt => leaf.salt,
                p_commitments => case
                    when leaf.commitments = '{}' then pg_catalog.decode('', 'hex')
                    else (
                        select pg_catalog.string_agg(one.commitment, pg_catalog.decode('', 'hex') order by one.part)
                        from pg_catalog.unnest(leaf.commitments) with ordinality as one (commitment, part)
                    )
                end
            )
        end

        union all

        select 'entry-doubled', entry.class, null, entry.entry_id
        from pgerase_log.entry as entry
        group by entry.class, entry.at, entry.entry_id
        having pg_catalog.count(*) > 1
    ) as found
    order by found.entry_id, found.code;
end;

comment on function pgerase_log.verify_entries() is 'Entries that are gone, changed, or were put in later.';

revoke all on function pgerase_log.verify_entries() from public;
