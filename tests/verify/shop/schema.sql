-- Made by its owner. Small, and such that every rule decides about some row by itself.
create schema shop;
create table shop.person (
    id int primary key,
    manager_id int references shop.person,
    tenant int not null,
    region text,
    product text,
    title text not null,
    kind text not null,
    status text not null,
    is_admin boolean not null default false,
    nickname text
);
-- Read and written through shop.person, but with triggers of its own only.
create table shop.trainee () inherits (shop.person);
create table shop.account (
    id int primary key,
    tenant int not null,
    region text,
    product text,
    stage text not null,
    secret boolean,
    memo text
);
create table shop.member (account_id int references shop.account, person_id int references shop.person, role text not null)
    partition by list (role);
create table shop.member_owner partition of shop.member for values in ('owner');
create table shop.member_other partition of shop.member default;
create table shop.task (
    id int primary key,
    account_id int references shop.account,
    owner_id int references shop.person,
    state text not null
);
create table shop.event (id int not null, at date not null, account_id int references shop.account, by int not null)
    partition by range (at);
create table shop.event_2025 partition of shop.event for values from ('2025-01-01') to ('2026-01-01');
create table shop.event_2026 partition of shop.event for values from ('2026-01-01') to ('2027-01-01');
create table shop.article (id int primary key, public boolean not null);
create table shop.badge (id int primary key, person_id int);

insert into shop.person (id, manager_id, tenant, region, product, title, kind, status, is_admin) values
    (1, null, 1, null, null, 'Lead', 'employee', 'ACTIVE', false),
    (2, 1, 1, 'east', 'tea', 'Rep', 'employee', 'ACTIVE', false),
    (3, 1, 1, 'west', 'coffee', 'Rep', 'employee', 'ACTIVE', false),
    (4, null, 1, null, null, 'Desk', 'employee', 'ACTIVE', false),
    (5, null, 1, 'east', 'tea', 'Rep', 'partner', 'ACTIVE', false),
    (6, null, 1, null, null, 'Chief', 'employee', 'ACTIVE', true),
    (7, null, 2, 'east', 'tea', 'Rep', 'employee', 'ACTIVE', false),
    (8, 2, 1, 'north', 'tea', 'Rep', 'employee', 'INACTIVE', false),
    (9, null, 1, null, null, 'Chief', 'employee', 'INACTIVE', true);
insert into shop.trainee (id, manager_id, tenant, title, kind, status) values (20, 1, 1, 'Rep', 'employee', 'ACTIVE');
insert into shop.account (id, tenant, region, product, stage, secret)
    select i, 1 + (i % 7 = 0)::int, (array['east', 'west', 'north', null])[1 + i % 4],
        (array['tea', 'coffee', 'cocoa'])[1 + i % 3], (array['open', 'won', 'closed'])[1 + i / 4 % 3],
        case i % 5 when 0 then true when 1 then null else false end
    from generate_series(1, 48) as i;
insert into shop.member values (1, 2, 'owner'), (2, 2, 'helper'), (3, 3, 'owner'), (5, 5, 'owner'), (6, 5, 'helper'), (7, 2, 'owner'),
    (10, 5, 'owner'), (12, 8, 'owner'), (21, 7, 'owner');
insert into shop.task select i, nullif(i % 25, 0), 1 + i % 8, (array['todo', 'done'])[1 + i % 2] from generate_series(1, 60) as i;
insert into shop.event select i, date '2025-10-01' + i * 5, nullif(i % 13, 0), 1 + i % 5 from generate_series(1, 40) as i;
insert into shop.article select i, i % 2 = 0 from generate_series(1, 6) as i;
insert into shop.badge select i, i from generate_series(1, 8) as i;
