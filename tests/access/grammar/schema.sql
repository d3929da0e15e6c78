-- Made by its owner. A task stands below a project and below a unit, and the project below a unit too: a diamond.
create schema plant;
create table plant.person (id int primary key, unit_id int, kind text, region text);
create table plant.unit (id int primary key, parent_id int references plant.unit, region text);
create table plant.project (id int primary key, unit_id int references plant.unit, lead_id int);
create table plant.task (
    id int primary key,
    project_id int references plant.project,
    unit_id int references plant.unit,
    previous_id int references plant.task,
    owner_id int,
    state text not null
);
alter table plant.project add column first_task_id int references plant.task;
create table plant.remark (id int primary key, task_id int references plant.task, public boolean not null);

insert into plant.unit values (1, null, 'north'), (2, 1, 'south'), (3, 1, 'north'), (4, 2, null);
insert into plant.project values (10, 1, 100), (20, 2, 100), (30, null, 101), (40, 3, 101);
insert into plant.task values
    (1, 10, 1, null, 100, 'done'), (2, 10, 2, 1, 102, 'open'), (3, 20, 1, 2, 102, 'open'), (4, 20, 2, 1, 101, 'open'),
    (5, 30, 3, 4, 102, 'done'), (6, 40, null, 5, 103, 'open'), (7, null, null, 6, 103, 'open'), (8, 40, 3, 7, null, 'open');
insert into plant.remark select t.id, t.id, t.id % 2 = 0 from plant.task as t;
insert into plant.person values
    (100, 1, 'staff', 'north'), (101, 2, 'staff', 'south'), (102, 3, 'partner', 'north'), (103, 4, 'guest', null),
    (104, 1, 'auditor', 'north'), (105, 1, null, 'north');
