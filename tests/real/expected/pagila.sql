-- What each of the 1,500 staff of the film rental may read and update, written by hand against the bare tables; runs in a
-- database that never had pgerase. Every view <table>_read and <table>_update has the columns viewer and key, both text.
--
-- Customers, copies, rentals and payments belong to stores 1 and 2 alone. Six people work in store 1 (6, 27, 36, 1421, 1436,
-- 1471) and none in store 2; store 1 is managed by 1, who works in store 25, and store 2 by 2, who works in store 33. 1 and 2
-- are also the two who took every payment.

create schema expected;

create view expected.viewer as
select *
from public.staff
where active;

-- Which stores a viewer works in or manages.
create view expected.place as
select v.staff_id as viewer, v.store_id, false as manages
from expected.viewer as v
union all
select v.staff_id, s.store_id, true
from expected.viewer as v
    join public.store as s on s.manager_staff_id = v.staff_id;

create view expected.store_read as
select distinct p.viewer::text, s.store_id::text as key
from expected.place as p
    join public.store as s on s.store_id = p.store_id;

create view expected.store_update as
select p.viewer::text, p.store_id::text as key
from expected.place as p
where p.manages;

create view expected.staff_read as
select p.viewer::text, u.staff_id::text as key
from expected.place as p
    join public.staff as u on u.store_id = p.store_id
union
select v.staff_id::text, v.staff_id::text
from expected.viewer as v;

create view expected.staff_update as
select p.viewer::text, u.staff_id::text as key
from expected.place as p
    join public.staff as u on u.store_id = p.store_id
where p.manages
union
select v.staff_id::text, v.staff_id::text
from expected.viewer as v;

create view expected.customer_read as
select distinct p.viewer::text, c.customer_id::text as key
from expected.place as p
    join public.customer as c on c.store_id = p.store_id;

create view expected.customer_update as
select p.viewer::text, c.customer_id::text as key
from expected.place as p
    join public.customer as c on c.store_id = p.store_id
where p.manages;

create view expected.inventory_read as
select distinct p.viewer::text, i.inventory_id::text as key
from expected.place as p
    join public.inventory as i on i.store_id = p.store_id;

create view expected.inventory_update as
select p.viewer::text, i.inventory_id::text as key
from expected.place as p
    join public.inventory as i on i.store_id = p.store_id
where p.manages;

-- The rentals of a store are those of its copies.
create view expected.rental_read as
select distinct p.viewer::text, r.rental_id::text as key
from expected.place as p
    join public.inventory as i on i.store_id = p.store_id
    join public.rental as r on r.inventory_id = i.inventory_id;

-- The manager changes them; whoever works there takes back what is still out.
create view expected.rental_update as
select distinct p.viewer::text, r.rental_id::text as key
from expected.place as p
    join public.inventory as i on i.store_id = p.store_id
    join public.rental as r on r.inventory_id = i.inventory_id
where p.manages or r.return_date is null;

-- The payments of a store are those for its rentals; besides, everybody sees what they took themselves. A payment is changed
-- by whoever may change its rental.
create view expected.payment_read as
select r.viewer, m.payment_id::text as key
from expected.rental_read as r
    join public.payment as m on m.rental_id::text = r.key
union
select v.staff_id::text, m.payment_id::text
from expected.viewer as v
    join public.payment as m on m.staff_id = v.staff_id;

create view expected.payment_update as
select r.viewer, m.payment_id::text as key
from expected.rental_update as r
    join public.payment as m on m.rental_id::text = r.key;

-- Addresses of all stores, of the customers of one's stores, and one's own.
create view expected.address_read as
select v.staff_id::text as viewer, s.address_id::text as key
from expected.viewer as v
    cross join public.store as s
union
select p.viewer::text, c.address_id::text
from expected.place as p
    join public.customer as c on c.store_id = p.store_id
union
select v.staff_id::text, v.address_id::text
from expected.viewer as v;

create view expected.address_update as
select distinct p.viewer::text, c.address_id::text as key
from expected.place as p
    join public.customer as c on c.store_id = p.store_id
where p.manages;
