-- Made by its owner. Staff with pay that not everyone reads, tasks with notes and scores, and a partitioned diary.
create schema desk;
create table desk.person (
    id int primary key,
    manager_id int references desk.person,
    title text not null,
    status text not null,
    is_admin boolean not null default false,
    team text,
    phone text,
    pay numeric(10, 2),
    born date
);
create type desk.mood as enum ('good', 'bad');
create table desk.task (
    id int primary key,
    owner_id int references desk.person,
    team text,
    notes text,
    score numeric,
    mood desk.mood default 'good',
    payload json,
    code varchar(8) default 'none',
    touched timestamptz default now()
);
create table desk.diary (
    id int not null,
    owner_id int not null references desk.person,
    at date not null,
    state text not null default 'open',
    secret text,
    primary key (id, at)
) partition by range (at);
create table desk.diary_2025 partition of desk.diary for values from ('2025-01-01') to ('2026-01-01');
create table desk.diary_2026 partition of desk.diary for values from ('2026-01-01') to ('2027-01-01');

-- 1 boss of 2 and 3; 4 human resources; 5 super admin; 6 gone; 7 of no known title's team.
insert into desk.person values
    (1, null, 'Lead', 'ACTIVE', false, 'red', '+1', 9000.00, '1970-01-01'),
    (2, 1, 'Rep', 'ACTIVE', false, 'red', '+2', 5000.50, '1980-02-02'),
    (3, 1, 'Rep', 'ACTIVE', false, 'blue', '+3', 5100, null),
    (4, null, 'HR', 'ACTIVE', false, null, '+4', 7000, '1990-04-04'),
    (5, null, 'Chief', 'ACTIVE', true, 'blue', '+5', 12000, '1960-05-05'),
    (6, 1, 'HR', 'INACTIVE', false, 'red', '+6', null, null);
insert into desk.task (id, owner_id, team, notes, score, payload) values
    (1, 2, 'red', 'call back', 1.50, '{"a": 1}'), (2, 3, 'blue', null, null, '{}'), (3, 1, 'red', 'tax', 3, null),
    (4, 2, null, 'orphan', 4, null), (5, 5, 'blue', 'board', 5, null);
insert into desk.diary values (1, 2, '2025-05-05', 'open', 'mine'), (2, 3, '2026-05-05', 'open', 'his'), (3, 2, '2025-06-06', 'closed', null);
