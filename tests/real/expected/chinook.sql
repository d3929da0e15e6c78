-- What each employee of the music shop may read and update, written by hand against the bare tables; runs in a database that
-- never had pgerase. Every view <table>_read and <table>_update has the columns viewer and key, both text.
--
-- Counted by hand from the data: agents 3, 4 and 5 have 21, 20 and 18 customers with 146, 140 and 126 invoices; 2 is their
-- manager, 1 the general manager above her and above 6, who has 7 and 8 in IT.

create schema expected;

create view expected.people as
with recursive below (viewer, employee_id) as (
    select e.employee_id, e.employee_id
    from public.employee as e
    union
    select b.viewer, e.employee_id
    from below as b
        join public.employee as e on e.reports_to = b.employee_id
)
select viewer, employee_id
from below;

-- Everybody reads the staff directory; one's own record, and those of one's people, may be changed.
create view expected.employee_read as
select v.employee_id::text as viewer, e.employee_id::text as key
from public.employee as v
    cross join public.employee as e;

create view expected.employee_update as
select viewer::text, employee_id::text as key
from expected.people;

create view expected.customer_read as
select p.viewer::text, c.customer_id::text as key
from expected.people as p
    join public.customer as c on c.support_rep_id = p.employee_id
union
select v.employee_id::text, c.customer_id::text
from public.employee as v
    cross join public.customer as c
where v.title = 'General Manager';

create view expected.customer_update as
select *
from expected.customer_read;

create view expected.invoice_read as
select c.viewer, i.invoice_id::text as key
from expected.customer_read as c
    join public.invoice as i on i.customer_id::text = c.key;

-- Agents leave the books of earlier years alone.
create view expected.invoice_update as
select r.viewer, r.key
from expected.invoice_read as r
    join public.employee as v on v.employee_id::text = r.viewer
    join public.invoice as i on i.invoice_id::text = r.key
where v.title <> 'Sales Support Agent' or extract(year from i.invoice_date) >= 2025;

create view expected.invoice_line_read as
select r.viewer, l.invoice_line_id::text as key
from expected.invoice_read as r
    join public.invoice_line as l on l.invoice_id::text = r.key;

create view expected.invoice_line_update as
select u.viewer, l.invoice_line_id::text as key
from expected.invoice_update as u
    join public.invoice_line as l on l.invoice_id::text = u.key;

-- The catalogue: read by all, changed by the general manager; playlists by IT as well.
create view expected.artist_read as
select v.employee_id::text as viewer, t.artist_id::text as key
from public.employee as v
    cross join public.artist as t;

create view expected.artist_update as
select *
from expected.artist_read
where viewer = '1';

create view expected.album_read as
select v.employee_id::text as viewer, t.album_id::text as key
from public.employee as v
    cross join public.album as t;

create view expected.album_update as
select *
from expected.album_read
where viewer = '1';

create view expected.track_read as
select v.employee_id::text as viewer, t.track_id::text as key
from public.employee as v
    cross join public.track as t;

create view expected.track_update as
select *
from expected.track_read
where viewer = '1';

create view expected.playlist_read as
select v.employee_id::text as viewer, t.playlist_id::text as key
from public.employee as v
    cross join public.playlist as t;

create view expected.playlist_update as
select *
from expected.playlist_read
where viewer in ('1', '6', '7', '8');

create view expected.playlist_track_read as
select v.employee_id::text as viewer, concat_ws('/', t.playlist_id, t.track_id) as key
from public.employee as v
    cross join public.playlist_track as t;

create view expected.playlist_track_update as
select *
from expected.playlist_track_read
where viewer in ('1', '6', '7', '8');
