-- Made by its owner. Everybody has notes of his own, and some notes are for visitors.
create schema notes;
create table notes.person (id uuid primary key, manager_id uuid references notes.person, active boolean not null, admin boolean not null);
create table notes.note (id int primary key, owner_id uuid references notes.person, public boolean not null);

-- 60 people, of whom 1 is the manager of 2 and 3, 4 is super admin and 5 is inactive; each has ten notes, and one is nobody's.
insert into notes.person
    select lpad(i::text, 32, '0')::uuid, case when i in (2, 3) then lpad('1', 32, '0')::uuid end, i <> 5, i = 4
    from generate_series(1, 60) as i;
insert into notes.note select i, lpad((1 + i % 60)::text, 32, '0')::uuid, i % 100 = 0 from generate_series(1, 600) as i;
insert into notes.note values (601, null, true);
