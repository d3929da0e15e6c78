-- Is every entry that was sealed there, and as it was? Hashes are computed anew from what the entries say now: a leaf says
-- nothing of an entry that was changed. Entries that are not sealed, though their number says that they should be, came later.
-- Retention detaches the tables of a time one after the other: what is missing since its time is over is told apart, a segment
-- at once. Security definer because the log is closed.
create or replace function pgerase_log.verify_entries()
    returns table (code text, class text, segment_id bigint, entry_id bigint, part smallint)
    language sql
    stable
    parallel unsafe
    security definer
begin atomic
    with apart as materialized (
        select known.class, known.family, known.lower_bound, known.upper_bound
        from pgerase_log.apart() as known
        where known.is_due and known.is_alone
    ),
    compared as (
        select
            case
                when leaf.entry_id is null then 'entry-inserted'
                when entry.entry_id is not null then 'entry-changed'
                when exists (
                    select
                    from apart
                    where apart.family = 'entry'
                        and apart.class = leaf.class
                        and leaf.at >= apart.lower_bound
                        and leaf.at < apart.upper_bound
                ) then 'partition-detached'
                else 'entry-missing'
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
                    and not exists (
                        select
                        from apart
                        where apart.family = 'leaf'
                            and apart.class = entry.class
                            and entry.at >= apart.lower_bound
                            and entry.at < apart.upper_bound
                    )
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
    )
    select found.code, found.class, found.segment_id, found.entry_id, null::smallint
    from (
        select compared.code, compared.class, compared.segment_id, compared.entry_id
        from compared
        where compared.code <> 'partition-detached'

        union all

        -- Once for all entries of it.
        select distinct compared.code, compared.class, compared.segment_id, null::bigint
        from compared
        where compared.code = 'partition-detached'

        union all

        select 'entry-doubled', entry.class, null, entry.entry_id
        from pgerase_log.entry as entry
        group by entry.class, entry.at, entry.entry_id
        having pg_catalog.count(*) > 1
    ) as found
    order by found.entry_id, found.segment_id, found.code;
end;

comment on function pgerase_log.verify_entries() is 'Entries that are gone, changed, or were put in later.';

revoke all on function pgerase_log.verify_entries() from public;
