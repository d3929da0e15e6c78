-- Tables of the log that queries through it do not see, by their bounds: detached, or about to be, and not yet dropped. What
-- has no known bounds is not among them, as partitions of a class that was detached as a whole. `is_alone`: no attached
-- partition has any of that time, so that what is missing there can only lie in it; of leaves the first one does not count,
-- which grows over what is apart in all three tables. Entries of the first have wrong dates: pending, it is due by when they
-- were found. Partitions are not looked at where nothing is apart.
create or replace function pgerase_log.apart()
    returns table (
        class text,
        family text,
        relation text,
        lower_bound timestamptz,
        upper_bound timestamptz,
        is_due boolean,
        is_alone boolean
    )
    language sql
    stable
    parallel unsafe
    security invoker
begin atomic
    with partition as materialized (
        select found.*
        from pgerase_log.partitions() as found
        where exists (select from pgerase_log.unattached(p_table => 'entry') as one)
            or exists (select from pgerase_log.unattached(p_table => 'value') as one)
            or exists (select from pgerase_log.unattached(p_table => 'leaf') as one)
    )
    select
        known.class,
        known.family,
        known.relation,
        known.lower_bound,
        known.upper_bound,
        -- Never before the bounds say so, whatever the name says and the class of what was found early.
        greatest(
            known.due_at,
            pgerase_log.kept_until(p_at => known.upper_bound, p_keep => one.keep)
        ) <= pg_catalog.statement_timestamp(),
        not exists (
            select
            from partition as attached
            where attached.class = known.class
                and attached.family = known.family
                and not attached.is_pending
                and attached.lower_bound < known.upper_bound
                and known.lower_bound < attached.upper_bound
                and (known.family <> 'leaf' or attached.lower_bound > '-infinity')
        )
    from (
        select
            gone.class,
            gone.family,
            gone.relation,
            coalesce(gone.lower_bound, '-infinity') as lower_bound,
            gone.upper_bound,
            gone.due_at
        from pgerase_log.detached() as gone
        where gone.class is not null
            and gone.upper_bound > '-infinity'

        union all

        select
            going.class,
            going.family,
            going.relation,
            going.lower_bound,
            going.upper_bound,
            case
                when going.lower_bound > '-infinity' then going.due_at
                else greatest(
                    going.due_at,
                    coalesce(pgerase_log.kept_until(p_at => one.early_since, p_keep => one.keep), 'infinity')
                )
            end
        from partition as going
            join pgerase_log.class as one on one.class = going.class
        where going.is_pending
    ) as known
        left join pgerase_log.class as one on one.class = known.class;
end;

comment on function pgerase_log.apart() is 'Tables that are detached, or about to be, and not yet dropped, by their bounds.';

revoke all on function pgerase_log.apart() from public;
