-- A small application with two kinds of people: one by a number, one by a composite of texts. Nothing of pgerase is in it.
create schema shop;

create table shop.person (
    person_id integer primary key,
    email text not null unique,
    name text not null,
    status text not null default 'ACTIVE' check (status in ('ACTIVE', 'INACTIVE', 'ERASED')),
    referred_by integer constraint person_referred_by_fkey references shop.person deferrable initially deferred
);

create table shop.note (
    note_id integer primary key,
    author_id integer not null references shop.person,
    body text not null
);
create index note_author_id_idx on shop.note (author_id);

create table shop.ticket (
    ticket_id integer primary key,
    owner_id integer references shop.person,
    title text not null
);
create index ticket_owner_id_idx on shop.ticket (owner_id);

create table shop.invoice (
    invoice_id integer primary key,
    person_id integer not null references shop.person,
    total numeric not null
);
create index invoice_person_id_idx on shop.invoice (person_id);

create table shop.member (
    tenant text not null,
    nick text not null,
    bio text,
    primary key (tenant, nick)
);

-- Person n has n % 4 notes, n % 3 tickets and one invoice.
insert into shop.person
select n, 'person' || n || '@example.org', 'Secret Name ' || n from generate_series(1, 400) as n;
insert into shop.note
select n * 10 + i, n, 'private words of person ' || n from generate_series(1, 400) as n, generate_series(1, n % 4) as i;
insert into shop.ticket
select n * 10 + i, n, 'broken ' || i from generate_series(1, 400) as n, generate_series(1, n % 3) as i;
insert into shop.invoice select n, n, n * 1.5 from generate_series(1, 400) as n;
