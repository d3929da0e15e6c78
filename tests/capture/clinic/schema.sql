-- A clinic: people, their visits by day, notes under composite keys, and what types a developer may choose.
create schema app;

create table app.staff (
    staff_id integer primary key,
    manager_id integer references app.staff (staff_id),
    name text not null,
    active boolean not null default true
);

create table app.patient (
    patient_id bigint primary key,
    name text,
    email text,
    country text not null default 'de',
    ward text,
    weight numeric,
    name_length integer generated always as (length(name)) stored
);

create table app.visit (
    visit_id bigint not null,
    day date not null,
    patient_id bigint references app.patient (patient_id) on update cascade on delete cascade,
    doctor_id integer references app.staff (staff_id) on delete set null,
    complaint text,
    fee numeric,
    secret text,
    search text,
    primary key (visit_id, day)
)
partition by range (day);

create table app.visit_2025 partition of app.visit for values from ('2025-01-01') to ('2026-01-01');
create table app.visit_2026 (
    search text,
    secret text,
    gone text,
    fee numeric,
    complaint text,
    doctor_id integer,
    patient_id bigint,
    day date not null,
    visit_id bigint not null
);
alter table app.visit_2026 drop column gone;
alter table app.visit attach partition app.visit_2026 for values from ('2026-01-01') to ('2027-01-01');

create type app.urgency as enum ('low', 'high');
create type app.place as (street text, number integer);
create domain app.score as integer check (value >= 0);
create domain app.high_score as app.score;

create table app.form (
    form_id uuid primary key,
    urgency app.urgency,
    place app.place,
    score app.score,
    best app.high_score,
    urgencies app.urgency[],
    tags text[],
    answers jsonb,
    raw json,
    stay tstzrange,
    seen_at timestamptz,
    ratio double precision,
    blob bytea,
    "Odd ""name]" text
);

create table app.loan (
    "from" text not null,
    number integer not null,
    reader_id bigint,
    keeper_id bigint,
    reader_words text,
    keeper_words text,
    primary key ("from", number) deferrable
);

create table app.base (id integer primary key, note text);
create table app.extra (more text) inherits (app.base);

create table app.counter (counter_id integer primary key, count bigint not null);

create table app.reader (login text primary key, note text);
create table app.member (club integer, number integer, name text, primary key (club, number));

-- Columns with the names that capture gives to its own rows and columns.
create table app.alike (
    alike_id integer primary key,
    patient_id bigint,
    "t" text, "o" text, "n" text, "key" text, "old" text, "new" text, "captured" text, "changed" text, "paired"
    text, "part" text, "parts" text, "old_row" text, "new_row" text, "old_key" text, "old_1" text, "new_1" text,
    "place" text, "unchanged" text, "entry_id" text, "class" text, "person" text, "v_at" text, "new_rows" text
);
