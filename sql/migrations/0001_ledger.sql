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
