-- Made by its owner. Ten people below each of 111; every tenth row or so of a table belongs to somebody below one of the first ten.
create schema depot;
create table depot.person (
    id bigint primary key,
    manager_id bigint references depot.person,
    is_admin boolean not null default false
);
create table depot.account (id bigint primary key, owner_id bigint not null references depot.person);
create table depot.contract (
    id bigint primary key,
    account_id bigint not null references depot.account,
    owner_id bigint not null references depot.person
);
create table depot.ticket (
    id bigint primary key,
    contract_id bigint not null references depot.contract,
    assignee_id bigint not null references depot.person,
    state text not null
);
create table depot.account_member (person_id bigint not null, account_id bigint not null);
create table depot.remark (
    id bigint primary key,
    account_id bigint not null references depot.account,
    ticket_id bigint not null references depot.ticket,
    author_id bigint not null,
    readers bigint[] not null
);
create table depot.area (id bigint primary key, parent_id bigint references depot.area);
create table depot.area_member (area_id bigint not null, person_id bigint not null);
create table depot.site (id bigint primary key, area_id bigint not null references depot.area, account_id bigint not null references depot.account);

insert into depot.person select i, case when i > 0 then (i - 1) / 10 end from generate_series(0, 1110) as i;
insert into depot.person values (9999, null, true);
insert into depot.account select i, i * 7919 % 1111 from generate_series(1, 2500) as i;
insert into depot.contract select i, 1 + i * 7919 % 2500, i * 6763 % 1111 from generate_series(1, 10000) as i;
insert into depot.ticket select i, 1 + i * 7919 % 10000, i * 6763 % 1111, 's' || i % 5 from generate_series(1, 20000) as i;
insert into depot.account_member select i % 1111, 1 + i * 7919 % 2500 from generate_series(1, 5000) as i;
insert into depot.remark
select i, 1 + i * 7919 % 2500, i, i * 6763 % 1111, array[i % 1111, (i + 7) % 1111] from generate_series(1, 20000) as i;
insert into depot.area select i, case when i > 0 then (i - 1) / 3 end from generate_series(0, 2000) as i;
insert into depot.area_member select i, i % 1111 from generate_series(500, 1999) as i;
insert into depot.site select i, i * 7919 % 2001, 1 + i * 6763 % 2500 from generate_series(1, 20000) as i;

create index person_manager on depot.person (manager_id);
create index account_owner on depot.account (owner_id);
create index contract_account on depot.contract (account_id);
create index contract_owner on depot.contract (owner_id);
create index ticket_contract on depot.ticket (contract_id);
create index ticket_assignee on depot.ticket (assignee_id);
create index account_member_person on depot.account_member (person_id);
create index remark_account on depot.remark (account_id);
create index remark_ticket on depot.remark (ticket_id);
create index remark_author on depot.remark (author_id);
create index remark_readers on depot.remark using gin (readers);
create index area_parent on depot.area (parent_id);
create index area_member_person on depot.area_member (person_id);
create index site_area on depot.site (area_id);
create index site_account on depot.site (account_id);
