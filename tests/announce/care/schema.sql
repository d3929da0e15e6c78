-- Customers and staff. People sign in by their login and are known to the data map by their number.
create schema care;
create table care.person (
    number int primary key,
    login text not null unique,
    name text not null,
    kind text not null,
    status text not null default 'ACTIVE',
    allow_support boolean not null default true
);
create table care.note (number int primary key, person int references care.person, body text not null);
create index on care.note (person);
insert into care.person (number, login, name, kind) values
    (1, 'agent-1', 'Agnes Agent', 'agent'),
    (2, 'lead-1', 'Leo Lead', 'lead'),
    (3, 'lead-2', 'Lara Lead', 'lead'),
    (70, 'anna', 'Anna Arbor', 'customer'),
    (71, 'berta', 'Berta Bloom', 'customer'),
    (72, 'carl', 'Carl Croft', 'customer');
insert into care.note select p.number, p.number, 'of ' || p.name from care.person as p;
