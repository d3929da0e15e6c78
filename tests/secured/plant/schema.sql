-- A plant that sells pumps: companies, what was sold to each, and what lies elsewhere.
create schema plant;
create table plant.person (
    id integer primary key,
    name text not null,
    team text,
    title text not null,
    manager_id integer references plant.person (id),
    status text not null default 'ACTIVE',
    is_admin boolean not null default false
);
create table plant.company (
    id integer primary key,
    owner_id integer references plant.person (id),
    region text not null,
    sealed boolean not null default false
);
create table plant.sale (
    id integer primary key,
    company_id integer not null references plant.company (id),
    amount integer not null
);
insert into plant.person (id, name, team, title, manager_id, status, is_admin)
values (1, 'Lena', 'red', 'Lead', null, 'ACTIVE', false),
       (2, 'Rob', 'red', 'Clerk', 1, 'ACTIVE', false),
       (3, 'Bea', 'blue', 'Clerk', 1, 'ACTIVE', false),
       (4, 'Ana', 'blue', 'Analyst', null, 'ACTIVE', false),
       (5, 'Ada', 'blue', 'Boss', null, 'ACTIVE', true),
       (6, 'Gus', 'red', 'Lead', null, 'LEFT', true);
insert into plant.company (id, owner_id, region, sealed)
values (10, 2, 'north', false),
       (11, 2, 'north', false),
       (12, 3, 'south', false),
       (13, 3, 'south', true),
       (14, null, 'north', false);
insert into plant.sale (id, company_id, amount)
values (1, 10, 100),
       (2, 10, 50),
       (3, 11, 20),
       (4, 12, 7),
       (5, 13, 9000);
create materialized view plant.company_total as
select c.id as company_id,
       c.region,
       c.sealed,
       coalesce(sum(s.amount), 0)::integer as total
  from plant.company as c
  left join plant.sale as s
         on s.company_id = c.id
 group by c.id;
create unique index company_total_key on plant.company_total (company_id);
create schema elsewhere;
create table elsewhere.shipment (id integer, company_id integer, weight integer, note text);
insert into elsewhere.shipment
values (1, 10, 5, 'pump'),
       (2, 12, 7, 'valve'),
       (3, 13, 9, 'seal'),
       (4, null, 1, 'lost');
