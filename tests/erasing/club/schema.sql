-- A club: people with a lifecycle, customers whom only the ledger knows as erased, visitors whose rows go. Links with and
-- without constraints, by key and by e-mail.
create schema app;

create table app.person (
    person_id bigint primary key,
    email text not null unique,
    full_name text not null,
    phone text,
    locale text not null default 'en',
    status text not null default 'ACTIVE',
    is_admin boolean not null default false,
    manager_id bigint references app.person (person_id)
);
create index person_manager_id_idx on app.person (manager_id);

create table app.task (
    task_id bigint primary key,
    owner_id bigint references app.person (person_id),
    status text not null default 'Open',
    title text not null default ''
);
create index task_owner_id_idx on app.task (owner_id);

create table app.membership (
    club text not null,
    person_id bigint not null references app.person (person_id),
    role text not null default 'member',
    primary key (club, person_id)
);
create index membership_person_id_idx on app.membership (person_id);

create table app.message (
    message_id bigint primary key,
    sender text,
    body text not null default ''
);
create index message_sender_idx on app.message (sender);

create table app.customer (
    customer_id integer primary key,
    name text not null,
    city text
);

create table app.purchase (
    purchase_id bigint primary key,
    customer_id integer references app.customer (customer_id),
    total numeric not null
);
create index purchase_customer_id_idx on app.purchase (customer_id);

create table app.visitor (
    visitor_id integer primary key,
    badge text not null
);

-- No constraint: visits are loaded from the door.
create table app.visit (
    visit_id bigint primary key,
    visitor_id bigint,
    place text not null default ''
);
create index visit_visitor_id_idx on app.visit (visitor_id);

-- The data map does not name it.
create table app.salary (
    person_id bigint primary key,
    amount integer not null
);

-- 1 and 2 are admins. 5, 6 and 7 report to 4, who reports to 3, who reports to nobody.
insert into app.person (person_id, email, full_name, phone, is_admin, manager_id) values
    (1, 'ada@club.example', 'Ada Archer', '+1 555 0101', true, null),
    (2, 'bo@club.example', 'Bo Baker', '+1 555 0102', true, null),
    (3, 'mia@club.example', 'Mia Moss', '+1 555 0103', false, null),
    (4, 'ann@club.example', 'Ann Ash', '+1 555 0104', false, 3),
    (5, 'ben@club.example', 'Ben Birch', '+1 555 0105', false, 4),
    (6, 'cleo@club.example', 'Cleo Cedar', '+1 555 0106', false, 4),
    (7, 'dan@club.example', 'Dan Dale', '+1 555 0107', false, 4);
insert into app.task (task_id, owner_id, status, title) values
    (31, 3, 'Open', 'a'), (41, 4, 'Open', 'b'), (42, 4, 'Closed', 'c'), (51, 5, 'Open', 'd'), (52, 5, 'Closed', 'e');
insert into app.membership (club, person_id) values ('chess', 4), ('chess', 5), ('go', 5);
insert into app.message (message_id, sender) values (41, 'ann@club.example'), (51, 'ben@club.example');
insert into app.customer values (11, 'Eve Elm', 'Ulm'), (12, 'Fay Fir', 'Bonn');
insert into app.purchase values (111, 11, 10), (121, 12, 20);
insert into app.visitor values (21, 'Guy Gale'), (22, 'Hal Hill');
insert into app.visit values (211, 21, 'door'), (221, 22, 'door');
insert into app.salary select person_id, 1000 from app.person;
