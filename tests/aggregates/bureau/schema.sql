-- Made by its owner. Sales of shops in two tenants; analysts who see none of them.
create schema bureau;
create table bureau.person (
    id int primary key,
    tenant int not null,
    manager_id int references bureau.person,
    title text not null,
    status text not null,
    is_admin boolean not null default false
);
create table bureau.shop (
    id int primary key,
    city text not null
);
create type bureau.kind as enum ('new', 'old');
create domain bureau.share as real;
create table bureau.sale (
    id int primary key,
    tenant int not null,
    shop_id int references bureau.shop,
    seller_id int references bureau.person,
    region text,
    kind bureau.kind,
    amount numeric(10, 2),
    points int,
    share bureau.share,
    letter char(3),
    buyer text not null,
    tags text[],
    payload json
);
create index on bureau.sale (region);

-- 1 analyst of tenant 1, below 2; 3 analyst of tenant 2; 4 super admin; 5 was an analyst; 10 to 13 sell.
insert into bureau.person values
    (2, 1, null, 'Head', 'ACTIVE', false), (1, 1, 2, 'Analyst', 'ACTIVE', false), (3, 2, null, 'Analyst', 'ACTIVE', false),
    (4, 1, null, 'Chief', 'ACTIVE', true), (5, 1, 2, 'Analyst', 'INACTIVE', false),
    (10, 1, 2, 'Seller', 'ACTIVE', false), (11, 1, 2, 'Seller', 'ACTIVE', false), (12, 1, 2, 'Seller', 'ACTIVE', false),
    (13, 2, null, 'Seller', 'ACTIVE', false);
insert into bureau.shop values (1, 'Bonn'), (2, 'Kiel'), (3, 'Bonn');

-- Tenant 1: north 4 rows (3 with an amount), south 3 (2 with one), west 1, and 3 of no region. Tenant 2: north 2, south 1.
insert into bureau.sale (id, tenant, shop_id, seller_id, region, kind, amount, points, share, letter, buyer) values
    (1, 1, 1, 10, 'north', 'new', 10.00, 1, 0.5, 'a', 'Ann'),
    (2, 1, 1, 10, 'north', 'new', 20.50, 2, 0.25, 'a', 'Bob'),
    (3, 1, 2, 10, 'north', 'old', 30.00, 3, 0.125, 'b', 'Cem'),
    (4, 1, 3, 11, 'north', 'old', null, 4, null, 'b', 'Dee'),
    (5, 1, 3, 10, 'south', 'new', 7.00, 5, 'NaN', 'a', 'Eve'),
    (6, 1, null, 11, 'south', 'new', null, null, 1, 'a', 'Fay'),
    (7, 1, 2, 12, 'south', 'old', 9.00, 7, 1, 'b', 'Gus'),
    (8, 1, 1, 10, 'west', 'new', 1000.00, 8, 1, 'a', 'Hal'),
    (9, 1, 1, 10, null, 'new', 1.00, 9, 1, null, 'Ida'),
    (10, 1, 1, 11, null, 'new', 2.00, 10, 1, null, 'Jan'),
    (11, 1, 1, null, null, 'new', 6.00, 12, 1, null, 'Kim'),
    (12, 2, 2, 13, 'north', 'old', 500.00, 13, 1, 'a', 'Lea'),
    (13, 2, 2, 13, 'north', 'old', 600.00, 14, 1, 'a', 'Max'),
    (14, 2, 2, 13, 'south', 'old', 700.00, 15, 1, 'a', 'Nia');
