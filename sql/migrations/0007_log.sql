-- pgerase: migration 0007, the log
-- locks: none, everything here is new
-- reversible: yes, by uninstall, which takes what was logged along
--
-- What happened to captured tables. An entry says what changed, who did it and when; values that are somebody's are kept apart in
-- value, a row a person, so that they can go alone. Three tables are partitioned alike, by class and then by time: entry, value
-- and leaf (what the seal knows of an entry). Partitions are made and dropped by routines; there are no foreign keys, which
-- would make dropping one wait for the other. Nobody writes here but routines of this schema. Run as pgerase_keeper.

create table pgerase_log.class (
    class text collate "C" not null,
    number smallint not null generated always as identity,
    keep interval not null,
    period text not null,
    ahead smallint not null,
    constraint class_pkey primary key (class),
    constraint class_number_key unique (number),
    constraint class_keep_check check (keep > interval '0'),
    constraint class_period_check check (period in ('day', 'week', 'month')),
    constraint class_ahead_check check (ahead between 1 and 100)
);

comment on table pgerase_log.class is 'Entries that are kept equally long: the log''s default, those of a table, or of people of a profile.';
comment on column pgerase_log.class.class is 'The name: default, default.PROFILE, SCHEMA.TABLE, SCHEMA.TABLE.PROFILE, support.';
comment on column pgerase_log.class.number is 'The number in the names of its partitions.';
comment on column pgerase_log.class.keep is 'How long its entries are kept.';
comment on column pgerase_log.class.period is 'How much time a partition covers: day, week (from Monday) or month, in UTC.';
comment on column pgerase_log.class.ahead is 'How many partitions are made before they are needed.';


create table pgerase_log.entry (
    class text collate "C" not null,
    at timestamptz not null,
    entry_id bigint not null generated always as identity (cache 1),
    xact xid8 not null default pg_catalog.pg_current_xact_id(),
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
    parts smallint not null default 0
)
partition by list (class);

comment on table pgerase_log.entry is 'What happened: one row a row that was changed, or a table that was emptied.';
comment on column pgerase_log.entry.class is 'How long it is kept.';
comment on column pgerase_log.entry.at is 'When the statement that did it ended, by the server''s clock; decides the partition.';
comment on column pgerase_log.entry.entry_id is 'The number, drawn one by one: what is drawn later has the greater one. Gaps are transactions that were rolled back.';
comment on column pgerase_log.entry.xact is 'The transaction: what happened in one happened together.';
comment on column pgerase_log.entry.relation is 'The table, as SQL names it; of a partitioned one the table itself, whichever partition it was.';
comment on column pgerase_log.entry.action is 'insert, update, delete or truncate; for what is no table, such as support access, what was done.';
comment on column pgerase_log.entry.actor is 'The key of the viewer on whose behalf it was done; null where nobody was identified.';
comment on column pgerase_log.entry.login is 'The role that logged in (session_user), which no client can choose freely.';
comment on column pgerase_log.entry.role is 'The role that was set, where it is another.';
comment on column pgerase_log.entry.request is 'The request or job that the client named.';
comment on column pgerase_log.entry.purpose is 'The purpose that the client named.';
comment on column pgerase_log.entry.grant_id is 'The support grant under which the actor stood, if any.';
comment on column pgerase_log.entry.key is 'The row''s key by column, as it was before; columns that are somebody''s are apart.';
comment on column pgerase_log.entry.old is 'What it was: of an update the columns that changed, of a delete all that are captured.';
comment on column pgerase_log.entry.new is 'What it became: of an update the columns that changed, of an insert all that are captured.';
comment on column pgerase_log.entry.parts is 'How many rows of value belong to it when it is written.';


create table pgerase_log.value (
    class text collate "C" not null,
    at timestamptz not null,
    entry_id bigint not null,
    part smallint not null,
    subject text collate "C" not null,
    person text collate "C",
    old jsonb,
    new jsonb
)
partition by list (class);

comment on table pgerase_log.value is 'Values of an entry that are somebody''s: one row a person, which goes when the person is erased.';
comment on column pgerase_log.value.class is 'As of the entry.';
comment on column pgerase_log.value.at is 'As of the entry.';
comment on column pgerase_log.value.entry_id is 'The entry.';
comment on column pgerase_log.value.part is 'Counts an entry''s people, from 1.';
comment on column pgerase_log.value.subject is 'The kind of person, as the data map names it.';
comment on column pgerase_log.value.person is 'The person''s key as text, as in requests; null where the row named nobody.';
comment on column pgerase_log.value.old is 'What the person''s columns were, as far as they changed.';
comment on column pgerase_log.value.new is 'What they became.';


create table pgerase_log.leaf (
    class text collate "C" not null,
    at timestamptz not null,
    entry_id bigint not null,
    segment_id bigint not null,
    position integer not null,
    salt bytea not null,
    salts bytea[] not null default '{}',
    commitments bytea[] not null default '{}',
    hash bytea not null
)
partition by list (class);

comment on table pgerase_log.leaf is 'What the seal knows of an entry: where it stands, and what it was.';
comment on column pgerase_log.leaf.class is 'As of the entry.';
comment on column pgerase_log.leaf.at is 'As of the entry.';
comment on column pgerase_log.leaf.entry_id is 'The entry.';
comment on column pgerase_log.leaf.segment_id is 'The segment it was sealed in.';
comment on column pgerase_log.leaf.position is 'Its place among the segment''s leaves, from 0.';
comment on column pgerase_log.leaf.salt is 'Random, so that nobody finds out by trying what the entry said.';
comment on column pgerase_log.leaf.salts is 'The same for each of its values, in their order; null where the value is erased.';
comment on column pgerase_log.leaf.commitments is 'The salted hash of each of its values, which stays when the value goes.';
comment on column pgerase_log.leaf.hash is 'The leaf of the Merkle tree: a salted hash of the entry and of its commitments.';


create table pgerase_log.record (
    record_id bigint generated always as identity,
    at timestamptz not null default pg_catalog.clock_timestamp(),
    kind text collate "C" not null,
    body jsonb not null default '{}',
    segment_id bigint,
    constraint record_pkey primary key (record_id)
);

create index record_segment_id_idx on pgerase_log.record (segment_id, record_id);

comment on table pgerase_log.record is 'What was done to the log itself: erased, dropped, held, released, defined. Nothing personal; sealed like entries, and never dropped.';
comment on column pgerase_log.record.record_id is 'The number.';
comment on column pgerase_log.record.at is 'When.';
comment on column pgerase_log.record.kind is 'What: erasure, drop, hold, release, class, run, and so on.';
comment on column pgerase_log.record.body is 'The particulars: names, bounds, numbers of entries, never what was in them.';
comment on column pgerase_log.record.segment_id is 'The segment it was sealed in; null until then.';
