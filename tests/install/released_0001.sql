-- What installing version 0.1.0.dev0 (migration 0001) runs, as it was: test_upgrade.py brings it to this version.
-- installer_of_it stands for the role that installs, database_of_it for the database. Run as a superuser.

set role installer_of_it;

create role pgerase_viewer nologin;
comment on role pgerase_viewer is 'pgerase pgerase for database database_of_it';

create role pgerase_lookup nologin;
comment on role pgerase_lookup is 'pgerase pgerase for database database_of_it';

create role pgerase_eraser nologin;
comment on role pgerase_eraser is 'pgerase pgerase for database database_of_it';

create role pgerase_secret nologin;
comment on role pgerase_secret is 'pgerase pgerase for database database_of_it';

create role pgerase_masker nologin;
comment on role pgerase_masker is 'pgerase pgerase for database database_of_it';

reset role;

create schema pgerase authorization pgerase_secret;

set role pgerase_secret;

comment on schema pgerase is 'pgerase pgerase: functions that sessions and policies call.';

reset role;

create schema pgerase_internal authorization pgerase_secret;

set role pgerase_secret;

comment on schema pgerase_internal is 'pgerase pgerase: the ledger; nobody but the installing role looks into it.';

reset role;

create schema pgerase_lookup authorization pgerase_lookup;

set role pgerase_lookup;

comment on schema pgerase_lookup is 'pgerase pgerase: views that policies read and nobody can name.';

set role pgerase_secret;

-- pgerase: migration 0001, the ledger
-- locks: none, everything here is new
-- reversible: yes, by uninstall
--
-- Run as pgerase_secret, which owns the schema. Nobody else gets a privilege here: install grants the installing role
-- what apply needs, and nothing more.

create table pgerase_internal.migration (
    version integer not null,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default pg_catalog.now(),
    applied_by text not null default session_user,
    constraint migration_pkey primary key (version),
    constraint migration_version_check check (version > 0),
    constraint migration_checksum_check check (checksum ~ '^[0-9a-f]{64}$')
);

comment on table pgerase_internal.migration is 'The numbered scripts that made this ledger what it is.';
comment on column pgerase_internal.migration.version is 'The number in the file name.';
comment on column pgerase_internal.migration.name is 'The rest of the file name.';
comment on column pgerase_internal.migration.checksum is 'SHA-256 of the file; a different one later means somebody rewrote history.';
comment on column pgerase_internal.migration.applied_at is 'When it ran.';
comment on column pgerase_internal.migration.applied_by is 'The login that ran it.';


create table pgerase_internal.routine (
    name text not null,
    source text not null,
    source_sha256 text not null,
    deparsed text not null,
    made_at timestamptz not null default pg_catalog.now(),
    constraint routine_pkey primary key (name),
    constraint routine_source_sha256_check check (source_sha256 ~ '^[0-9a-f]{64}$')
);

comment on table pgerase_internal.routine is 'The re-creatable routines, as they were made; upgrade makes again what differs.';
comment on column pgerase_internal.routine.name is 'The name of the routine in the schema of the functions.';
comment on column pgerase_internal.routine.source is 'The file it was made from.';
comment on column pgerase_internal.routine.source_sha256 is 'SHA-256 of that file.';
comment on column pgerase_internal.routine.deparsed is 'What the server said it was when it had been made: definition, owner, privileges.';
comment on column pgerase_internal.routine.made_at is 'When it was made.';


create table pgerase_internal.installation (
    prefix text not null,
    version text not null,
    identity text not null,
    installer text not null,
    installed_at timestamptz not null default pg_catalog.now(),
    upgraded_at timestamptz not null default pg_catalog.now(),
    constraint installation_pkey primary key (prefix),
    constraint installation_identity_check check (identity in ('setting', 'role'))
);

comment on table pgerase_internal.installation is 'What is installed here: one row.';
comment on column pgerase_internal.installation.prefix is 'The prefix of the roles and schemas.';
comment on column pgerase_internal.installation.version is 'The version of pgerase that ran last.';
comment on column pgerase_internal.installation.identity is 'How sessions say on whose behalf they run.';
comment on column pgerase_internal.installation.installer is 'The role that installed or upgraded last, and may apply.';
comment on column pgerase_internal.installation.installed_at is 'When it was first installed.';
comment on column pgerase_internal.installation.upgraded_at is 'When it was last changed by install or upgrade.';


create table pgerase_internal.apply_run (
    apply_id bigint generated always as identity,
    at timestamptz not null default pg_catalog.now(),
    by text not null default session_user,
    pack text not null,
    plan_sha256 text not null,
    action text not null,
    constraint apply_run_pkey primary key (apply_id),
    constraint apply_run_plan_sha256_check check (plan_sha256 ~ '^[0-9a-f]{64}$')
);

comment on table pgerase_internal.apply_run is 'Every run that changed what is enforced.';
comment on column pgerase_internal.apply_run.apply_id is 'The number of the run.';
comment on column pgerase_internal.apply_run.at is 'When it ran.';
comment on column pgerase_internal.apply_run.by is 'The login that ran it.';
comment on column pgerase_internal.apply_run.pack is 'The name of the pack.';
comment on column pgerase_internal.apply_run.plan_sha256 is 'SHA-256 of the plan that was carried out.';
comment on column pgerase_internal.apply_run.action is 'What was asked for: apply, revert, off.';


create table pgerase_internal.applied_object (
    kind text not null,
    identity text not null,
    source_sha256 text not null,
    deparsed text not null,
    undo jsonb not null default '{}',
    made_at timestamptz not null default pg_catalog.now(),
    apply_id bigint not null,
    constraint applied_object_pkey primary key (kind, identity),
    constraint applied_object_apply_id_fkey foreign key (apply_id) references pgerase_internal.apply_run (apply_id),
    constraint applied_object_source_sha256_check check (source_sha256 ~ '^[0-9a-f]{64}$')
);

create index applied_object_apply_id_idx on pgerase_internal.applied_object (apply_id);

comment on table pgerase_internal.applied_object is 'What apply made or changed and has not taken back: tables are governed while it has rows.';
comment on column pgerase_internal.applied_object.kind is 'The kind of object: policy, row security, grant, view, and so on.';
comment on column pgerase_internal.applied_object.identity is 'Which one, as SQL names it.';
comment on column pgerase_internal.applied_object.source_sha256 is 'SHA-256 of the statement that made it.';
comment on column pgerase_internal.applied_object.deparsed is 'What the server said it was when it had been made.';
comment on column pgerase_internal.applied_object.undo is 'What was there before, for putting it back exactly.';
comment on column pgerase_internal.applied_object.made_at is 'When it was made.';
comment on column pgerase_internal.applied_object.apply_id is 'The run that made it.';


insert into pgerase_internal.migration (version, name, checksum)
values (1, 'ledger', '585ad30705c31c71af72914c5921eb900f48f731e6d4326014236f408953ec9e');

-- The identity a session presents, valid or not, for identities that travel in a setting.
-- Policies tell with it whether nobody is there (null) or somebody who may be an impostor (anything else): the latter
-- sees nothing at all. An empty setting counts as none, because that is what a finished transaction leaves behind.
create or replace function pgerase.presented_viewer()
    returns text
    language sql
    stable
    parallel safe
    security invoker
    return nullif(pg_catalog.current_setting('pgerase.viewer', true), '');

comment on function pgerase.presented_viewer() is 'The identity this session presents, valid or not; null where it presents none.';

revoke all on function pgerase.presented_viewer() from public;
grant execute on function pgerase.presented_viewer() to pgerase_viewer;


insert into pgerase_internal.routine (name, source, source_sha256, deparsed)
values ('presented_viewer', 'presented_viewer_setting.sql', 'f9dcc36a192fd87b37dccb8cacc19e79962b6af6226c2c1926be105a07c76641', '')
on conflict (name) do update
set
    source = excluded.source,
    source_sha256 = excluded.source_sha256,
    made_at = excluded.made_at;

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
grant execute on function pgerase.current_viewer() to pgerase_viewer, pgerase_lookup;


insert into pgerase_internal.routine (name, source, source_sha256, deparsed)
values ('current_viewer', 'current_viewer_setting.sql', 'c23d0e6759ae913dad39e55ccd757d58c046aa78ddfe71969c8ead062b83ea6a', '')
on conflict (name) do update
set
    source = excluded.source,
    source_sha256 = excluded.source_sha256,
    made_at = excluded.made_at;

-- Says on whose behalf the rest of this transaction runs. As trustworthy as the login that calls it.
-- Outside a transaction block it would be forgotten at once and every later statement would see nothing. The server tells
-- a function nothing about that, so only the certain case raises: a simple query, nothing but this call, that is the first
-- thing its transaction does. In the extended protocol a pipeline may still follow, so there it fails closed instead.
create or replace function pgerase.become(p_viewer text)
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = ''
as $$
#variable_conflict error
begin
    if p_viewer is null or p_viewer = '' then
        raise exception using
            errcode = 'ZE001',
            message = 'no viewer given',
            hint = 'Pass the key of the person this transaction runs for; pgerase.forget() takes an identity away.';
    end if;

    if pg_catalog.statement_timestamp() = pg_catalog.transaction_timestamp()
        and pg_catalog.current_query() ~* (
            '^\s*select\s+"?' || 'pgerase' || '"?\s*\.\s*become\s*\([^;()]*\)\s*;?\s*$'
        )
        and not exists (select from pg_catalog.pg_cursors as portal where portal.name = '')
    then
        raise exception using
            errcode = 'ZE002',
            message = 'pgerase.become was called outside a transaction',
            detail = 'The identity lasts as long as its transaction, and this one ends with the call.',
            hint = 'Send begin first, then the call and the statements it is for, then commit.';
    end if;

    perform pg_catalog.set_config(
        'pgerase.viewer',
        p_viewer || '@' || extract(epoch from pg_catalog.now())::pg_catalog.text,
        true
    );

    -- A hint for the planner, which decides nothing: whether this viewer may see everything. Known once a pack is applied.
    perform pg_catalog.set_config('pgerase.wide', '', true);
    if exists (
        select
        from pg_catalog.pg_proc as routine
            join pg_catalog.pg_namespace as home on home.oid = routine.pronamespace
        where home.nspname = 'pgerase' and routine.proname = 'has_authority'
    ) then
        if pgerase.has_authority('super admin') then
            perform pg_catalog.set_config('pgerase.wide', 'yes', true);
        end if;
    end if;
end;
$$;

comment on function pgerase.become(text) is 'Makes the rest of this transaction run for the viewer with this key.';

revoke all on function pgerase.become(text) from public;
grant execute on function pgerase.become(text) to pgerase_viewer;


insert into pgerase_internal.routine (name, source, source_sha256, deparsed)
values ('become', 'become_setting.sql', '754a550b8838c81c9d529aa99be0fd7ccd52f4e48c450f82a3bb7c90e524840c', '')
on conflict (name) do update
set
    source = excluded.source,
    source_sha256 = excluded.source_sha256,
    made_at = excluded.made_at;

-- Takes the identity away for the rest of this transaction. What follows presents none.
create or replace function pgerase.forget()
    returns void
    language plpgsql
    volatile
    parallel unsafe
    security invoker
    set search_path = ''
as $$
#variable_conflict error
begin
    perform pg_catalog.set_config('pgerase.viewer', '', true);
    perform pg_catalog.set_config('pgerase.wide', '', true);
end;
$$;

comment on function pgerase.forget() is 'Takes the viewer away for the rest of this transaction.';

revoke all on function pgerase.forget() from public;
grant execute on function pgerase.forget() to pgerase_viewer;


insert into pgerase_internal.routine (name, source, source_sha256, deparsed)
values ('forget', 'forget.sql', '45554e1a4e1511f0ce7d36d24ff66d08917f4b6f06beb35cbf8c8b4de3a746c2', '')
on conflict (name) do update
set
    source = excluded.source,
    source_sha256 = excluded.source_sha256,
    made_at = excluded.made_at;

grant usage on schema pgerase to pgerase_viewer;

grant usage on schema pgerase to pgerase_lookup;

grant usage on schema pgerase to pgerase_eraser;

grant usage on schema pgerase to pgerase_masker;

grant create, usage on schema pgerase to installer_of_it;

grant usage on schema pgerase_internal to installer_of_it;

grant select on pgerase_internal.migration to installer_of_it;

grant select on pgerase_internal.routine to installer_of_it;

grant select on pgerase_internal.installation to installer_of_it;

grant insert, select on pgerase_internal.apply_run to installer_of_it;

grant select on pgerase_internal.apply_run_apply_id_seq to installer_of_it;

grant delete, insert, select, update on pgerase_internal.applied_object to installer_of_it;

insert into pgerase_internal.installation as installation (prefix, version, identity, installer)
values ('pgerase', '0.1.0.dev0', 'setting', 'installer_of_it')
on conflict (prefix) do update
set
    version = excluded.version,
    identity = excluded.identity,
    installer = excluded.installer,
    upgraded_at = excluded.upgraded_at;

reset role;
