-- Made by its owner. Who has which role says who is above whom.
create schema office;
create table office.role (id int primary key, parent_id int references office.role, name text not null);
create table office.person (
    id bigint primary key,
    role_id int references office.role,
    tenant int not null default 1,
    region text,
    status text not null default 'ACTIVE',
    is_admin boolean not null default false
);
create index on office.person (role_id);
create table office.document (
    id int primary key,
    owner_id bigint references office.person,
    tenant int not null default 1,
    state text not null default 'draft',
    secret boolean not null default false
);
create index on office.document (owner_id);

-- 1 ← 2 ← 3; 1 ← 4, which nobody has, ← 5; 6 and 7 lead to each other; 8, its own parent, ← 9.
insert into office.role values
    (1, null, 'Director'), (2, 1, 'Sales lead'), (3, 2, 'Sales'), (4, 1, 'Support lead'), (5, 4, 'Support'),
    (6, 6, 'Auditor'), (7, 6, 'Controller'), (8, 8, 'Founder'), (9, 8, 'Assistant');
update office.role set parent_id = 7 where id = 6;
insert into office.person (id, role_id, status) values
    (10, 1, 'ACTIVE'), (11, 1, 'ACTIVE'), (20, 2, 'ACTIVE'), (21, 2, 'ACTIVE'),
    (30, 3, 'INACTIVE'), (31, 3, 'ERASED'), (32, 3, 'ACTIVE'), (50, 5, 'ACTIVE'),
    (60, 6, 'ACTIVE'), (61, 6, 'ACTIVE'), (70, 7, 'ACTIVE'), (80, 8, 'ACTIVE'), (81, 8, 'ACTIVE'), (90, 9, 'ACTIVE'),
    (99, null, 'ACTIVE');
insert into office.person (id, role_id, is_admin) values (1, null, true);
insert into office.document (id, owner_id) select p.id, p.id from office.person as p where p.id <> 1;
