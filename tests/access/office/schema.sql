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

-- What a developer wrote: a history, kept with the rights of whoever changes a document.
create table office.history (document_id int not null, by_role name not null, note text);
create function office.keep_history() returns trigger language plpgsql as $$
begin
    insert into office.history values (new.id, current_user, 'now of ' || new.owner_id);
    return new;
end;
$$;
create trigger keep_history before update on office.document for each row execute function office.keep_history();
create table office.part (
    document_id int references office.document,
    number int,
    checker_id bigint references office.person,
    author_id bigint not null references office.person,
    primary key (document_id, number)
);

create table office.member (
    group_name text not null,
    person_id bigint not null references office.person,
    since date default '2025-01-01',
    primary key (group_name, person_id)
);
create table office.guest (person_id bigint, list text, number int generated always as identity);

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
insert into office.person (id, role_id, tenant) values (100, 1, 2), (101, 3, 2);
insert into office.document (id, owner_id, tenant) values (100, 100, 2), (101, 101, 2);
insert into office.document (id, owner_id, state) values (200, 20, 'final'), (201, 20, 'draft');
insert into office.document (id, owner_id, secret) values (202, 20, true);
insert into office.part values (20, 1, null, 20), (20, 2, 32, 20);
insert into office.person (id, role_id, region) values (110, 5, 'north'), (111, 5, 'south');
insert into office.member (group_name, person_id) values ('readers', 99), ('readers', 110), ('readers', 30), ('board', 10);
insert into office.guest (person_id, list) values (99, 'guests');
create table office.notice (id int primary key, kind text not null);
insert into office.notice values (1, 'reader'), (2, 'board'), (3, 'guest');
