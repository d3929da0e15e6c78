-- A deterministic directory of 301 people for the tests. Nothing here depends on the day it is loaded.
--
-- Numbers: directories 32769 to 32773, groups from 98305, people from 163841 (person N is 163840 + N), everything else above.
-- Person N of 1 to 300 has the first name number N of 20 and the last name number N / 20 of 15, so that no two share both;
-- they come from the directories by sevens. Who to remember:
--   163841 Ada.Abbott     N = 1, internal; administers the directory, so she is the author of most of its audit log
--   163845 eli.abbott     N = 5, internal; has a session, aliases and a telephone number, and appears in the audit log
--   163850 jona.abbott    N = 10, of the partners' directory; called JAbbott in the wiki
--   164141 Jona.Abbott    the same user name once more, in the head office's LDAP: another row, perhaps the same person

insert into public.cwd_directory
    (id, directory_name, lower_directory_name, created_date, updated_date, active, description, impl_class, lower_impl_class, directory_type)
select d.id, d.name, lower(d.name), '2024-01-08 09:00', '2024-01-08 09:00', 'T', d.description, d.class, lower(d.class), d.type
from (values
    (32769, 'Crowd internal', 'People who are kept here and nowhere else', 'com.example.directory.InternalDirectory', 'INTERNAL'),
    (32770, 'Partners', 'Kept here; passwords are asked of the partners'' LDAP', 'com.example.directory.DelegatedDirectory', 'DELEGATING'),
    (32771, 'Head office LDAP', 'Copied from the head office', 'com.example.directory.OpenLdapDirectory', 'CONNECTOR'),
    (32772, 'Cloud directory', 'A cache, filled again every hour', 'com.example.directory.CloudDirectory', 'AZURE_AD'),
    (32773, 'Subsidiary', 'The Crowd of the subsidiary', 'com.example.directory.RemoteCrowdDirectory', 'CROWD')
) as d (id, name, description, class, type);

insert into public.cwd_user
    (id, user_name, lower_user_name, active, created_date, updated_date, first_name, lower_first_name, last_name, lower_last_name,
     display_name, lower_display_name, email_address, lower_email_address, external_id, directory_id, credential)
select p.id, p.user_name, lower(p.user_name), case when p.n % 17 = 0 then 'F' else 'T' end, p.created_at, p.created_at,
    p.first_name, lower(p.first_name), p.last_name, lower(p.last_name),
    p.first_name || ' ' || p.last_name, lower(p.first_name || ' ' || p.last_name),
    p.user_name || '@' || p.domain, lower(p.user_name || '@' || p.domain),
    p.directory_id || ':' || md5('external ' || p.n),
    p.directory_id,
    case p.directory_id when 32769 then '{PKCS5S2}' || md5('salt ' || p.n) || md5('hash ' || p.n) else 'nopass' end
from (
    select u.n, 163840 + u.n as id, u.first_name, u.last_name, u.directory_id,
        -- Some were typed with capitals.
        case when u.n % 10 = 1 then u.first_name || '.' || u.last_name else lower(u.first_name || '.' || u.last_name) end as user_name,
        (array['crowd.example', 'partners.example', 'office.example', 'cloud.example', 'subsidiary.example'])[u.directory_id - 32768] as domain,
        timestamp '2024-01-09 08:00' + u.n * interval '7 hours' as created_at
    from (
        select n.n,
            (array['Ada', 'Bela', 'Cora', 'Dora', 'Eli', 'Finn', 'Gita', 'Hugo', 'Ines', 'Jona', 'Kaya', 'Lars', 'Mina', 'Nils', 'Olga',
                'Pia', 'Remy', 'Sven', 'Tara', 'Ugo'])[1 + (n.n - 1) % 20] as first_name,
            (array['Abbott', 'Bauer', 'Costa', 'Dubois', 'Egger', 'Fischer', 'Garcia', 'Hansen', 'Ito', 'Jansen', 'Keller', 'Lindt', 'Moreau',
                'Novak', 'Okafor'])[1 + (n.n - 1) / 20] as last_name,
            32769 + ((n.n - 1) / 7) % 5 as directory_id
        from generate_series(1, 300) as n (n)
        union all
        select 301, 'Jona', 'Abbott', 32771
    ) as u
) as p;

-- Everybody's last sign-in, a telephone number of every third, and what an add-on keeps of every seventh.
insert into public.cwd_user_attribute
    (id, user_id, directory_id, attribute_name, attribute_value, attribute_lower_value, attribute_numeric_value)
select 229376 + row_number() over (order by u.id, a.name), u.id, u.directory_id, a.name, a.value, lower(a.value), a.number
from public.cwd_user as u
    cross join lateral (
        select 'lastAuthenticated' as name, (1735725600000 + (u.id - 163840) * 3600000)::text as value,
            1735725600000 + (u.id - 163840) * 3600000 as number
        union all
        select 'phone', '+49 30 5550' || lpad((u.id - 163840)::text, 4, '0'), null
        where (u.id - 163840) % 3 = 2
        union all
        select 'addon.badge', 'Badge of ' || u.display_name, null
        where (u.id - 163840) % 7 = 0
    ) as a;

insert into public.cwd_group
    (id, group_name, lower_group_name, active, is_local, created_date, updated_date, description, group_type, directory_id, external_id)
select 98304 + row_number() over (order by d.id, g.position), g.name, lower(g.name), 'T', case d.directory_type when 'INTERNAL' then 'T' else 'F' end,
    '2024-01-08 10:00', '2024-01-08 10:00', g.description, 'GROUP', d.id,
    case d.directory_type when 'INTERNAL' then null else d.id || ':' || md5('group ' || g.name) end
from public.cwd_directory as d
    cross join (values
        (1, 'users', 'Everybody'),
        (2, 'Developers', 'Who writes software'),
        (3, 'crowd-administrators', 'Who administers the directory')
    ) as g (position, name, description);

-- Everybody is one of the users, every fourth a developer, one in fifty an administrator; developers are users as a group, too.
insert into public.cwd_membership
    (id, parent_id, child_id, membership_type, group_type, parent_name, lower_parent_name, child_name, lower_child_name, created_date, directory_id)
select 294912 + row_number() over (order by m.parent_id, m.child_id), m.parent_id, m.child_id, m.type, 'GROUP', m.parent_name, lower(m.parent_name),
    m.child_name, lower(m.child_name), '2024-03-01 12:00', m.directory_id
from (
    select g.id as parent_id, u.id as child_id, 'GROUP_USER' as type, g.group_name as parent_name, u.user_name as child_name, g.directory_id
    from public.cwd_group as g
        join public.cwd_user as u on u.directory_id = g.directory_id
    where g.lower_group_name = 'users'
        or (g.lower_group_name = 'developers' and u.id % 4 = 1)
        or (g.lower_group_name = 'crowd-administrators' and u.id % 50 = 41)
    union all
    select g.id, c.id, 'GROUP_GROUP', g.group_name, c.group_name, g.directory_id
    from public.cwd_group as g
        join public.cwd_group as c on c.directory_id = g.directory_id
    where g.lower_group_name = 'users' and c.lower_group_name = 'developers'
) as m;

-- Every fifth is called something else in the wiki (application 2), every tenth in the tracker (application 3).
insert into public.cwd_application_alias (id, application_id, user_name, lower_user_name, alias_name, lower_alias_name)
select 393216 + row_number() over (order by a.application_id, u.id), a.application_id, u.user_name, u.lower_user_name, a.alias_name, lower(a.alias_name)
from public.cwd_user as u
    cross join lateral (
        select 2 as application_id, left(u.first_name, 1) || u.last_name as alias_name
        where (u.id - 163840) % 5 = 0
        union all
        select 3, u.first_name || left(u.last_name, 1)
        where (u.id - 163840) % 10 = 5
    ) as a;

-- Every fourth person is signed in, and so are the two applications.
insert into public.cwd_token
    (id, directory_id, entity_name, random_number, identifier_hash, random_hash, created_date, last_accessed_date, last_accessed_time, duration)
select 458752 + t.n, t.directory_id, t.entity_name, 1000003 * t.n, md5('identifier ' || t.n), md5('random ' || t.n),
    t.accessed_at - interval '2 hours', t.accessed_at, extract(epoch from t.accessed_at)::bigint * 1000, 1800
from (
    select u.id - 163840 as n, u.directory_id, u.lower_user_name as entity_name, timestamp '2025-06-02 07:00' + (u.id - 163840) * interval '11 minutes' as accessed_at
    from public.cwd_user as u
    where (u.id - 163840) % 4 = 1
    union all
    select 1000 + a.n, -1, a.name, timestamp '2025-06-02 06:00'
    from (values (1, 'wiki'), (2, 'tracker')) as a (n, name)
) as t;

-- Each of the first 120 was created by Ada, became a member and, later, changed the e-mail address.
insert into public.cwd_audit_log_changeset
    (id, audit_timestamp, author_type, author_id, author_name, event_type, ip_address, event_message, event_source)
select 524288 + (u.id - 163841) * 3 + e.position, extract(epoch from u.created_date + e.position * interval '1 day')::bigint * 1000, 'USER',
    case e.position when 3 then u.id else 163841 end, case e.position when 3 then u.user_name else 'Ada.Abbott' end,
    e.event_type, '192.0.2.' || (u.id - 163840), null, 'MANUAL'
from public.cwd_user as u
    cross join (values (1, 'USER_CREATED'), (2, 'ADDED_TO_GROUP'), (3, 'USER_UPDATED')) as e (position, event_type)
where u.id <= 163960;

insert into public.cwd_audit_log_entity (id, changeset_id, entity_type, entity_id, entity_name, is_primary)
select 655360 + row_number() over (order by e.changeset_id, e.is_primary desc), e.changeset_id, e.entity_type, e.entity_id, e.entity_name, e.is_primary
from (
    select c.id as changeset_id, 'USER' as entity_type, u.id as entity_id, u.user_name as entity_name, 'T' as is_primary
    from public.cwd_audit_log_changeset as c
        join public.cwd_user as u on u.id = 163841 + (c.id - 524289) / 3
    union all
    select c.id, 'GROUP', g.id, g.group_name, 'F'
    from public.cwd_audit_log_changeset as c
        join public.cwd_user as u on u.id = 163841 + (c.id - 524289) / 3
        join public.cwd_group as g on g.directory_id = u.directory_id and g.lower_group_name = 'users'
    where c.event_type = 'ADDED_TO_GROUP'
) as e;

insert into public.cwd_audit_log_entry (id, changeset_id, property_name, old_value, new_value)
select 786432 + row_number() over (order by c.id, p.name), c.id, p.name, p.old_value, p.new_value
from public.cwd_audit_log_changeset as c
    join public.cwd_user as u on u.id = 163841 + (c.id - 524289) / 3
    cross join lateral (
        select v.name, v.old_value, v.new_value
        from (values
            ('USER_CREATED', 'Username', null, u.user_name),
            ('USER_CREATED', 'Display name', null, u.display_name),
            ('USER_CREATED', 'Email', null, u.first_name || '@old.example'),
            ('USER_CREATED', 'Active', null, 'true'),
            ('USER_UPDATED', 'Email', u.first_name || '@old.example', u.email_address)
        ) as v (event_type, name, old_value, new_value)
        where v.event_type = c.event_type
    ) as p;
