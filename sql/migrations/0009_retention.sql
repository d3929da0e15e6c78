-- pgerase: migration 0009, retention
-- locks: access exclusive on the log's table class, which nothing but applying and retention reads
-- reversible: yes, by uninstall
--
-- What ends entries and what keeps some of them longer: runs, legal holds, and the entries that a hold outlived their partition
-- with. Nothing personal but keys, which a hold is about. Run as pgerase_keeper; nobody writes but routines of this schema.

alter table pgerase_log.class
    add column defined_at timestamptz not null default pg_catalog.clock_timestamp(),
    add column early_since timestamptz,
    add column early_newest bigint,
    add constraint class_early_newest_check check ((early_since is null) = (early_newest is null));

comment on column pgerase_log.class.defined_at is 'When it was defined first: what the clock of the first run is compared with.';
comment on column pgerase_log.class.early_since is 'When a run last found new entries dated before every partition: the clock was behind when they were written. Null: there are none.';
comment on column pgerase_log.class.early_newest is 'The greatest number of these.';


create table pgerase_log.run (
    run_id bigint generated always as identity,
    started_at timestamptz not null default pg_catalog.clock_timestamp(),
    clock timestamptz not null,
    ended_at timestamptz,
    state text not null default 'running',
    newest bigint,
    outcomes jsonb not null default '{}',
    sqlstate text,
    constraint run_pkey primary key (run_id),
    constraint run_state_check check (state in ('running', 'done', 'incomplete', 'refused', 'failed', 'killed')),
    constraint run_ended_at_check check ((state in ('running', 'killed')) = (ended_at is null)),
    constraint run_sqlstate_check check (sqlstate ~ '^[0-9A-Z]{5}$')
);

comment on table pgerase_log.run is 'Every run of retention, so that one that did not happen is noticed.';
comment on column pgerase_log.run.run_id is 'The number.';
comment on column pgerase_log.run.started_at is 'When it began, by the server''s clock.';
comment on column pgerase_log.run.clock is 'The time it went by; the same, except in tests.';
comment on column pgerase_log.run.ended_at is 'When it ended; null while it runs, and where it was killed.';
comment on column pgerase_log.run.state is 'running, done, incomplete (the next one goes on), refused (the clock is not to be trusted), failed, or killed.';
comment on column pgerase_log.run.newest is 'The greatest number of an entry when it began.';
comment on column pgerase_log.run.outcomes is 'How many partitions came to which outcome.';
comment on column pgerase_log.run.sqlstate is 'The SQLSTATE it failed with.';


create table pgerase_log.hold (
    hold_id bigint generated always as identity,
    subject text collate "C",
    person text collate "C",
    relation text collate "C",
    key jsonb,
    reference text not null,
    placed_at timestamptz not null default pg_catalog.clock_timestamp(),
    released_at timestamptz,
    constraint hold_pkey primary key (hold_id),
    constraint hold_person_check check ((subject is null) = (person is null)),
    constraint hold_relation_check check ((relation is null) = (key is null)),
    constraint hold_what_check check (subject is not null or relation is not null),
    constraint hold_reference_check check (reference ~ '^[A-Za-z0-9._/-]{1,64}$'),
    constraint hold_released_at_check check (released_at >= placed_at)
);

create unique index hold_person_idx on pgerase_log.hold (subject, person, reference) where released_at is null;

comment on table pgerase_log.hold is 'Legal holds: whose entries stay, and who is not erased, until it is released.';
comment on column pgerase_log.hold.hold_id is 'The number.';
comment on column pgerase_log.hold.subject is 'The kind of person, as the data map names it; null where the hold is about a row of a table.';
comment on column pgerase_log.hold.person is 'The person''s key as text, as in requests.';
comment on column pgerase_log.hold.relation is 'A captured table whose entries about one row are held; of a person, the person''s own table.';
comment on column pgerase_log.hold.key is 'The key of that row by column, as entries have it.';
comment on column pgerase_log.hold.reference is 'An opaque reference to the reason, such as the number of a case.';
comment on column pgerase_log.hold.placed_at is 'Since when.';
comment on column pgerase_log.hold.released_at is 'Until when; null while it lasts.';


create table pgerase_log.held (
    class text collate "C" not null,
    at timestamptz not null,
    entry_id bigint not null,
    xact xid8 not null,
    relation text collate "C" not null,
    action text collate "C" not null,
    actor text collate "C",
    login text collate "C" not null,
    role text collate "C",
    request text,
    purpose text,
    grant_id bigint,
    key jsonb,
    old jsonb,
    new jsonb,
    parts smallint not null,
    due_at timestamptz not null,
    segment_id bigint,
    position integer,
    salt bytea,
    salts bytea[],
    commitments bytea[],
    hash bytea,
    path bytea[],
    constraint held_pkey primary key (entry_id)
);

create index held_segment_id_idx on pgerase_log.held (segment_id, position);

comment on table pgerase_log.held is 'Entries that a hold keeps past their time, with what proves them when the rest of their segment is gone.';
comment on column pgerase_log.held.class is 'As of the entry, and so down to parts.';
comment on column pgerase_log.held.due_at is 'When their partition expired.';
comment on column pgerase_log.held.segment_id is 'As of the leaf, and so down to hash; null where it was not sealed.';
comment on column pgerase_log.held.path is 'The inclusion path: the hashes that lead from its leaf to the root of its segment.';


create table pgerase_log.held_value (
    entry_id bigint not null,
    part smallint not null,
    subject text collate "C" not null,
    person text collate "C",
    old jsonb,
    new jsonb,
    constraint held_value_pkey primary key (entry_id, part)
);

create index held_value_person_idx on pgerase_log.held_value (subject, person);

comment on table pgerase_log.held_value is 'The values of held entries, a row a person, which goes when the person is erased.';
comment on column pgerase_log.held_value.entry_id is 'The entry; the rest is as in value.';
