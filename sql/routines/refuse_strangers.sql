-- Raises ZE222 where a table of values, or of what could confirm a guess of one, was detached from the log and is out of reach:
-- somebody gave it to another owner, or put it into another schema. Nobody looks there for a person, and with the table everybody
-- in it would come back. They are known by their columns; of other schemas, those that still are the keeper's.
create or replace function pgerase_log.refuse_strangers(p_outcome text)
    returns void
    language plpgsql
    stable
    parallel unsafe
    security invoker
    set search_path = pg_catalog, pg_temp
as $$
#variable_conflict error
declare
    v_stranger record;
begin
    select
        home.nspname as schema,
        apart.relname as name,
        apart.relowner <> root.relowner as is_given_away,
        pg_catalog.pg_get_userbyid(root.relowner) as keeper
    into v_stranger
    from pg_catalog.pg_class as root
        join pg_catalog.pg_namespace as logs on logs.oid = root.relnamespace and logs.nspname = 'pgerase_log'
        join pg_catalog.pg_class as apart
            on apart.relkind in ('r', 'p')
            and (apart.relnamespace = logs.oid) <> (apart.relowner = root.relowner)
        join pg_catalog.pg_namespace as home on home.oid = apart.relnamespace
    where root.relname in ('value', 'leaf')
        and root.relkind = 'p'
        and (
            select pg_catalog.array_agg((own.attname, own.atttypid) order by own.attnum)
            from pg_catalog.pg_attribute as own
            where own.attrelid = apart.oid and own.attnum > 0 and not own.attisdropped
        ) = (
            select pg_catalog.array_agg((own.attname, own.atttypid) order by own.attnum)
            from pg_catalog.pg_attribute as own
            where own.attrelid = root.oid and own.attnum > 0 and not own.attisdropped
        )
        -- Attached, it is reached through the table, whoever owns it.
        and not exists (
            select
            from pg_catalog.pg_inherits as link
                left join pg_catalog.pg_inherits as above on above.inhrelid = link.inhparent and not above.inhdetachpending
            where link.inhrelid = apart.oid
                and not link.inhdetachpending
                and root.oid in (link.inhparent, above.inhparent)
        )
    order by apart.relname, home.nspname
    limit 1;

    if found then
        raise exception using
            errcode = 'ZE222',
            message = pg_catalog.format(
                '%I.%I was detached from the log and %s, and %s',
                v_stranger.schema,
                v_stranger.name,
                case when v_stranger.is_given_away then 'has another owner' else 'lies in another schema' end,
                p_outcome
            ),
            hint = pg_catalog.format(
                'Give it back: alter table %I.%I %s; then do this again. `pgerase audit maintain` attaches it.',
                v_stranger.schema,
                v_stranger.name,
                case
                    when v_stranger.is_given_away then pg_catalog.format('owner to %I', v_stranger.keeper)
                    else pg_catalog.format('set schema %I', 'pgerase_log')
                end
            ),
            schema = v_stranger.schema,
            table = v_stranger.name;
    end if;
end;
$$;

comment on function pgerase_log.refuse_strangers(text) is 'Raises where a table of the log was detached and is out of its reach.';

revoke all on function pgerase_log.refuse_strangers(text) from public;
