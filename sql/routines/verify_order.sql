-- Does what has a later number say that it happened later? A number above the last one that a seal saw was drawn after that
-- seal, unless by a transaction that was running then; an entry of such a number must not be older than the seal. A minute is
-- left for clocks that are corrected; where the next seal shows that the clock was set back, that is believed. Nor can an entry
-- have happened after it was sealed. Security definer because the log is closed.
create or replace function pgerase_log.verify_order()
    returns table (code text, class text, segment_id bigint, entry_id bigint, part smallint)
    language sql
    stable
    parallel unsafe
    security definer
begin atomic
    with run as (
        select
            header.segment_id,
            header.sequence,
            header.oldest,
            header.newest,
            pg_catalog.row_number() over (order by header.segment_id) as place,
            case
                when pg_catalog.lead(header.at, 1, header.at) over (order by header.segment_id) >= header.at then header.at
            end as at
        from pgerase_log.segment as header
    ),
    numbered as (
        select
            thing.*,
            pg_catalog.max(thing.place) over (order by thing.number, thing.is_run rows unbounded preceding) as after
        from (
            select
                run.sequence as number,
                true as is_run,
                run.place,
                null::text as class,
                null::timestamptz as at,
                null::xid8 as xact
            from run

            union all

            select entry.entry_id, false, null, entry.class, entry.at, entry.xact
            from pgerase_log.entry as entry
        ) as thing
    )
    select 'entry-backdated' as code, numbered.class, run.segment_id, numbered.number as entry_id, null::smallint as part
    from numbered
        join run on run.place = numbered.after
    where not numbered.is_run
        and numbered.at < run.at - interval '1 minute'
        and (
            not (numbered.xact >= run.oldest and numbered.xact < run.newest)
            -- It says that it was running then; it had not begun at the seal before, though.
            or exists (
                select
                from run as earlier
                where earlier.sequence < numbered.number
                    and earlier.newest <= numbered.xact
                    and numbered.at < earlier.at - interval '1 minute'
            )
        )

    union all

    select 'entry-ahead', leaf.class, leaf.segment_id, leaf.entry_id, null
    from (
        select one.class, one.segment_id, one.entry_id, one.at
        from pgerase_log.leaf as one

        union all

        select held.class, held.segment_id, held.entry_id, held.at
        from pgerase_log.held as held
    ) as leaf
        join pgerase_log.segment as header on header.segment_id = leaf.segment_id
    where leaf.at > header.at + interval '1 minute'
    order by 4, 1;
end;

comment on function pgerase_log.verify_order() is 'Entries that say they happened before a seal after which their number was drawn.';

revoke all on function pgerase_log.verify_order() from public;
