-- A help desk: people, some of them staff, and what is theirs.
create schema help;
create table help.office (id int primary key);
insert into help.office values (1), (2);
create table help.person (
    id bigint primary key,
    name text not null,
    email text not null unique,
    kind text not null,
    tenant int not null default 1,
    office_id int not null default 1 references help.office,
    status text not null default 'ACTIVE',
    is_admin boolean not null default false,
    allow_support boolean not null default false
);
create index on help.person (office_id);
create table help.task (id int primary key, owner_id bigint references help.person, title text not null);
create index on help.task (owner_id);
create table help.step (task_id int references help.task, number int, done boolean, primary key (task_id, number));
create table help.message (id int primary key, sender text not null, body text not null);
create index on help.message (sender);
create table help.diary (id int primary key, person_id bigint references help.person);
create index on help.diary (person_id);
create table help.parcel (
    person_id bigint references help.person,
    number int,
    tenant int not null,
    worth int not null,
    primary key (person_id, number)
);
insert into help.person (id, name, email, kind, is_admin, allow_support) values
    (1, 'Ada', 'ada@x.invalid', 'admin', true, false),
    (10, 'Ann', 'ann@x.invalid', 'agent', false, false), (11, 'Abe', 'abe@x.invalid', 'agent', false, false),
    (20, 'Lea', 'lea@x.invalid', 'lead', false, false), (21, 'Lou', 'lou@x.invalid', 'lead', false, false),
    (30, 'Dev', 'dev@x.invalid', 'developer', false, false), (31, 'Fay', 'fay@x.invalid', 'founder', false, false),
    (32, 'Sal', 'sal@x.invalid', 'sales', false, false),
    (100, 'Cara', 'cara@x.invalid', 'customer', false, true), (101, 'Dan', 'dan@x.invalid', 'customer', false, false),
    (102, 'Eve', 'eve@x.invalid', 'customer', false, true);
insert into help.task
select p.id * 10 + n, p.id, 'of ' || p.name from help.person as p cross join generate_series(1, 2) as n where p.id >= 100;
insert into help.step select t.id, 1, false from help.task as t;
insert into help.message select p.id, p.email, 'from ' || p.name from help.person as p where p.id >= 100;
insert into help.diary select p.id, p.id from help.person as p where p.id >= 100;
insert into help.parcel select p.id, n, n, 10 * n from help.person as p cross join generate_series(1, 2) as n where p.id >= 100;
-- Another tenant's admin, agent, leads and customer.
insert into help.person (id, name, email, kind, tenant, is_admin, allow_support) values
    (2, 'Bo', 'bo@y.invalid', 'admin', 2, true, false), (12, 'Ben', 'ben@y.invalid', 'agent', 2, false, false),
    (22, 'Liv', 'liv@y.invalid', 'lead', 2, false, false), (23, 'Lars', 'lars@y.invalid', 'lead', 2, false, false),
    (200, 'Nora', 'nora@y.invalid', 'customer', 2, false, true);
