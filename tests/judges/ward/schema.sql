-- Made by its owner. A small hospital in which every part of a decision is what decides about some row.
create schema ward;
create table ward.person (
    id int primary key,
    manager_id int references ward.person,
    house int not null,
    team text,
    title text not null,
    status text not null,
    is_admin boolean not null default false,
    phone text
);
create index on ward.person (manager_id);
create table ward.member (
    group_name text not null,
    person_id int not null references ward.person,
    primary key (group_name, person_id)
);
create index on ward.member (person_id);
create table ward.patient (
    id int primary key,
    house int not null,
    team text,
    doctor_id int references ward.person,
    stage text not null,
    secret boolean
);
create index on ward.patient (team);
create index on ward.patient (doctor_id);
create table ward.assignment (
    patient_id int not null references ward.patient,
    person_id int not null references ward.person,
    role text not null,
    primary key (patient_id, person_id)
);
create index on ward.assignment (person_id);
create table ward.chart (
    id int primary key,
    patient_id int references ward.patient,
    author_id int references ward.person,
    state text not null,
    diagnosis text
);
create index on ward.chart (patient_id);
create index on ward.chart (author_id);
create table ward.visit (id int not null, at date not null, patient_id int references ward.patient, primary key (id, at))
    partition by range (at);
create index on ward.visit (patient_id);
create table ward.visit_2025 partition of ward.visit for values from ('2025-01-01') to ('2026-01-01');
create table ward.visit_2026 partition of ward.visit for values from ('2026-01-01') to ('2027-01-01');
create table ward.poster (id int primary key, public boolean not null);

insert into ward.person (id, manager_id, house, team, title, status, is_admin, phone) values
    (10, null, 1, null, 'Director', 'ACTIVE', false, '+10'),
    (1, 10, 1, null, 'Head', 'ACTIVE', false, '+1'),
    (2, 1, 1, 'red', 'Nurse', 'ACTIVE', false, '+2'),
    (3, 1, 1, 'blue', 'Nurse', 'ACTIVE', false, '+3'),
    (4, null, 1, 'green', 'Student', 'ACTIVE', false, '+4'),
    (5, 8, 1, null, 'Chief', 'ACTIVE', true, '+5'),
    (6, null, 2, 'red', 'Nurse', 'ACTIVE', false, '+6'),
    (7, 2, 1, 'red', 'Nurse', 'LEFT', false, '+7'),
    (8, 4, 1, null, 'Nurse', 'ACTIVE', false, null),
    (9, null, 1, null, 'Chief', 'LEFT', true, '+9');
insert into ward.member values ('night', 4), ('night', 7);
insert into ward.patient
    select i, 1 + (i % 6 = 0)::int, (array['red', 'blue', 'green', null])[1 + i % 4], nullif(1 + i % 9, 9),
        (array['in', 'out', 'closed'])[1 + i / 2 % 3], case i % 5 when 0 then true when 1 then null else false end
    from generate_series(1, 18) as i;
insert into ward.assignment values
    (1, 2, 'lead'), (2, 2, 'helper'), (3, 3, 'lead'), (6, 6, 'lead'), (7, 4, 'lead'), (9, 4, 'helper'), (10, 7, 'lead'), (12, 2, 'lead'), (13, 8, 'lead');
insert into ward.chart
    select i, nullif(i % 12, 0), 1 + i % 8, (array['draft', 'final'])[1 + i % 2], 'diagnosis ' || i from generate_series(1, 18) as i;
insert into ward.chart values (19, 7, 4, 'draft', 'of a student'), (20, 7, 8, 'draft', 'of a patient');
insert into ward.visit select i, date '2025-10-05' + i * 21, nullif(i % 8, 0) from generate_series(1, 8) as i;
insert into ward.poster select i, i % 2 = 0 from generate_series(1, 4) as i;
