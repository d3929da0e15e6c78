-- A small, deterministic world for the demo and the tests. Nothing here depends on the day it is loaded.
--
-- Who to remember:
--   1001 Carla Mendes     a CSM in us-east; owns Acorn, Birch and Cedar, helps with two more
--    111 Mara Ellison     her manager; 110 Diego Ramos is the director above, 100 Vera Lindqvist the VP above all
--    301 Pavel Horak      a partner; on three account teams, sees only the CTAs that are his
--    900 Saskia Root      a super admin of Meridian (901 Stefan Old was one, and is inactive; 590 Birk Aas is Borealis's)
--   1003 Ines Duarte      inactive; her account still needs somebody
--   1025, 132             erased; what they did stays
--   1023 Celine Rossi     two territories, two roles on one account, and a group she was put into by hand
--   1014 Kim Tran         a contractor, who owns a confidential account and may not see it

insert into cs.tenant (tenant_id, name) values
    (1, 'Meridian'),
    (2, 'Borealis');

insert into cs.team (team_id, tenant_id, name, region) values
    (1, 1, 'East', 'us-east'),
    (2, 1, 'West', 'us-west'),
    (3, 1, 'EMEA', 'emea'),
    (4, 1, 'Platform support', 'emea'),
    (5, 2, 'Borealis success', 'us-east');

insert into cs.app_user
    (user_id, tenant_id, user_name, first_name, last_name, email, country_code, region, title, user_type, kind, status,
     is_super_admin, manager_id, team_id, products, created_at)
values
    (100, 1, 'vera', 'Vera', 'Lindqvist', 'vera@meridian.example', 'SE', 'global', 'VP Customer Success', 'internal', 'employee', 'ACTIVE', false, null, null, '{}', '2020-01-01Z'),
    (110, 1, 'diego', 'Diego', 'Ramos', 'diego@meridian.example', 'US', 'us-east', 'CS Director', 'internal', 'employee', 'ACTIVE', false, 100, 1, '{}', '2020-01-01Z'),
    (120, 1, 'dana', 'Dana', 'Whitfield', 'dana@meridian.example', 'US', 'us-west', 'CS Director', 'internal', 'employee', 'ACTIVE', false, 100, 2, '{}', '2020-01-01Z'),
    (130, 1, 'dieter', 'Dieter', 'Vogel', 'dieter@meridian.example', 'DE', 'emea', 'CS Director', 'internal', 'employee', 'ACTIVE', false, 100, 3, '{}', '2020-01-01Z'),
    (111, 1, 'mara', 'Mara', 'Ellison', 'mara@meridian.example', 'US', 'us-east', 'CS Manager', 'internal', 'employee', 'ACTIVE', false, 110, 1, '{}', '2020-01-01Z'),
    (112, 1, 'miles', 'Miles', 'Tanaka', 'miles@meridian.example', 'US', 'us-east', 'CS Manager', 'internal', 'employee', 'ACTIVE', false, 110, 1, '{}', '2020-01-01Z'),
    (121, 1, 'mona', 'Mona', 'Park', 'mona@meridian.example', 'US', 'us-west', 'CS Manager', 'internal', 'employee', 'ACTIVE', false, 120, 2, '{}', '2020-01-01Z'),
    (131, 1, 'marek', 'Marek', 'Novak', 'marek@meridian.example', 'CZ', 'emea', 'CS Manager', 'internal', 'employee', 'ACTIVE', false, 130, 3, '{}', '2020-01-01Z'),
    (132, 1, 'erased-132', 'Deleted', 'User', 'erased+132@erased.invalid', 'IE', 'emea', 'CS Manager', 'internal', 'employee', 'ERASED', false, 130, 3, '{}', '2020-01-01Z'),
    (1001, 1, 'carla', 'Carla', 'Mendes', 'carla@meridian.example', 'US', 'us-east', 'CSM', 'internal', 'employee', 'ACTIVE', false, 111, 1, '{}', '2021-01-01Z'),
    (1002, 1, 'colin', 'Colin', 'Byrne', 'colin@meridian.example', 'US', 'us-east', 'Senior CSM', 'internal', 'employee', 'ACTIVE', false, 111, 1, '{}', '2021-01-01Z'),
    (1003, 1, 'ines', 'Ines', 'Duarte', 'ines@meridian.example', 'US', 'us-east', 'CSM', 'internal', 'employee', 'INACTIVE', false, 111, 1, '{}', '2021-01-01Z'),
    (1004, 1, 'cora', 'Cora', 'Jensen', 'cora@meridian.example', 'US', 'us-east', 'CSM', 'internal', 'employee', 'ACTIVE', false, 112, 1, '{}', '2021-01-01Z'),
    (1011, 1, 'caleb', 'Caleb', 'Stone', 'caleb@meridian.example', 'US', 'us-west', 'CSM', 'internal', 'employee', 'ACTIVE', false, 121, 2, '{}', '2021-01-01Z'),
    (1012, 1, 'chloe', 'Chloe', 'Martin', 'chloe@meridian.example', 'US', 'us-west', 'CSM', 'internal', 'employee', 'ACTIVE', false, 121, 2, '{}', '2021-01-01Z'),
    (1013, 1, 'connor', 'Connor', 'Reyes', 'connor@meridian.example', 'US', 'us-west', 'Senior CSM', 'internal', 'employee', 'ACTIVE', false, 121, 2, '{}', '2021-01-01Z'),
    (1014, 1, 'kim', 'Kim', 'Tran', 'kim@contract.example', 'US', 'us-west', 'CSM', 'internal', 'contractor', 'ACTIVE', false, 121, 2, '{}', '2022-01-01Z'),
    (1021, 1, 'clara', 'Clara', 'Weiss', 'clara@meridian.example', 'DE', 'emea', 'CSM', 'internal', 'employee', 'ACTIVE', false, 131, 3, '{}', '2021-01-01Z'),
    (1022, 1, 'cyril', 'Cyril', 'Dubois', 'cyril@meridian.example', 'FR', 'emea', 'Senior CSM', 'internal', 'employee', 'ACTIVE', false, 131, 3, '{}', '2021-01-01Z'),
    (1023, 1, 'celine', 'Celine', 'Rossi', 'celine@meridian.example', 'IT', 'emea', 'CSM', 'internal', 'employee', 'ACTIVE', false, 131, 3, '{}', '2021-01-01Z'),
    (1024, 1, 'ciaran', 'Ciaran', 'Doyle', 'ciaran@meridian.example', 'IE', 'emea', 'CSM', 'internal', 'employee', 'ACTIVE', false, 132, 3, '{}', '2021-01-01Z'),
    (1025, 1, 'erased-1025', 'Deleted', 'User', 'erased+1025@erased.invalid', 'ES', 'emea', 'CSM', 'internal', 'employee', 'ERASED', false, 131, 3, '{}', '2021-01-01Z'),
    (1026, 1, 'nadia', 'Nadia', 'Popescu', 'nadia@meridian.example', 'RO', null, 'Senior CSM', 'internal', 'employee', 'ACTIVE', false, 131, 3, '{}', '2023-01-01Z'),
    (201, 1, 'rhea', 'Rhea', 'Kapoor', 'rhea@meridian.example', 'GB', 'emea', 'Renewal Manager', 'internal', 'employee', 'ACTIVE', false, 130, 3, '{}', '2021-01-01Z'),
    (202, 1, 'priya', 'Priya', 'Nair', 'priya@meridian.example', 'US', 'us-west', 'Product Specialist', 'internal', 'employee', 'ACTIVE', false, 120, 2, '{analytics,journeys}', '2021-01-01Z'),
    (203, 1, 'oscar', 'Oscar', 'Lund', 'oscar@meridian.example', 'NO', 'global', 'CS Operations', 'internal', 'employee', 'ACTIVE', false, 100, null, '{}', '2021-01-01Z'),
    (204, 1, 'sam', 'Sam', 'Idowu', 'sam@meridian.example', 'NG', 'us-west', 'Support Lead', 'support_agent', 'employee', 'ACTIVE', false, 203, 4, '{}', '2021-01-01Z'),
    (205, 1, 'iris', 'Iris', 'Chen', 'iris@meridian.example', 'US', 'us-west', 'Implementation Manager', 'internal', 'employee', 'ACTIVE', false, 120, 2, '{}', '2021-01-01Z'),
    (206, 1, 'alan', 'Alan', 'Pike', 'alan@meridian.example', 'US', 'us-west', 'Account Executive', 'internal', 'employee', 'ACTIVE', false, 120, 2, '{}', '2021-01-01Z'),
    (207, 1, 'tessa', 'Tessa', 'Grant', 'tessa@meridian.example', 'GB', 'global', 'Territory Lead', 'internal', 'employee', 'ACTIVE', false, 100, null, '{}', '2021-01-01Z'),
    (208, 1, 'lena', 'Lena', 'Fischer', 'lena@meridian.example', 'DE', 'emea', 'Archivist', 'internal', 'employee', 'INACTIVE', false, 130, 3, '{}', '2019-01-01Z'),
    (303, 1, 'petra', 'Petra', 'Sand', 'petra@summit.example', 'CH', 'emea', 'Partner Lead', 'partner', 'partner', 'ACTIVE', false, null, null, '{}', '2022-01-01Z'),
    (301, 1, 'pavel', 'Pavel', 'Horak', 'pavel@summit.example', 'CZ', 'emea', 'Partner Consultant', 'partner', 'partner', 'ACTIVE', false, 303, null, '{}', '2022-01-01Z'),
    (302, 1, 'paula', 'Paula', 'Reyes', 'paula@summit.example', 'US', 'us-east', 'Partner Consultant', 'partner', 'partner', 'ACTIVE', false, 303, null, '{}', '2022-01-01Z'),
    (900, 1, 'saskia', 'Saskia', 'Root', 'saskia@meridian.example', 'NL', null, 'Platform Administrator', 'internal', 'employee', 'ACTIVE', true, null, null, '{}', '2019-01-01Z'),
    (901, 1, 'stefan', 'Stefan', 'Old', 'stefan@meridian.example', 'AT', null, 'Platform Administrator', 'internal', 'employee', 'INACTIVE', true, null, null, '{}', '2019-01-01Z'),
    (501, 2, 'bo', 'Bo', 'Nilsen', 'bo@borealis.example', 'NO', 'us-east', 'CS Director', 'internal', 'employee', 'ACTIVE', false, null, 5, '{}', '2022-01-01Z'),
    (502, 2, 'bea', 'Bea', 'Strand', 'bea@borealis.example', 'NO', 'us-east', 'CSM', 'internal', 'employee', 'ACTIVE', false, 501, 5, '{}', '2022-01-01Z'),
    (590, 2, 'birk', 'Birk', 'Aas', 'birk@borealis.example', 'NO', null, 'Platform Administrator', 'internal', 'employee', 'ACTIVE', true, null, null, '{}', '2022-01-01Z');

update cs.app_user
set inactive_at = '2025-02-01 00:00:00+00'
where status <> 'ACTIVE';

update cs.app_user
set
    phone = '+1 555 010 ' || to_char(user_id, 'FM0000'),
    birth_date = date '1970-01-01' + 11 * user_id::integer,
    last_login_at = timestamptz '2025-06-01 08:00:00+00' + user_id * interval '1 minute'
where status <> 'ERASED';

update cs.tenant
set admin_id = case tenant_id when 1 then 900 else 590 end;

-- World
--   Americas: US East, US West
--   EMEA: France, DACH (Berlin below it)
insert into cs.territory (territory_id, parent_id, name) values
    (1, null, 'World'),
    (2, 1, 'Americas'),
    (3, 1, 'EMEA'),
    (4, 2, 'US East'),
    (5, 2, 'US West'),
    (6, 3, 'DACH'),
    (7, 3, 'France'),
    (8, 6, 'Berlin');

insert into cs.territory_member (territory_id, user_id) values
    (3, 207),
    (4, 1023),
    (6, 1023);

insert into cs.sharing_group (group_name, owner_id, description) values
    ('csm_us_east', 203, 'CSMs of us-east, and who helps them'),
    ('churn_council', 203, 'Looks at accounts in red');

-- 1001 fits the criteria of csm_us_east as well; 1003 and 208 are inactive.
insert into cs.sharing_group_member (group_name, user_id, added_at) values
    ('csm_us_east', 1001, '2025-01-01Z'),
    ('csm_us_east', 1003, '2025-01-01Z'),
    ('csm_us_east', 1023, '2025-01-01Z'),
    ('churn_council', 202, '2025-01-01Z'),
    ('churn_council', 208, '2025-01-01Z');

insert into cs.stage (stage, position, is_final) values
    ('Prospect', 1, false),
    ('Onboarding', 2, false),
    ('Adopting', 3, false),
    ('Renewing', 4, false),
    ('Will Churn', 5, false),
    ('Archived', 6, true);

insert into cs.company
    (company_id, tenant_id, name, stage, region, country_code, territory_id, arr, health, renewal_date, product_lines,
     is_confidential, pool_user_id, created_at, updated_at)
select c.company_id, c.tenant_id, c.name, c.stage, c.region, c.country_code, c.territory_id, c.arr, c.health,
    c.renewal_date::date, c.product_lines::text[], c.is_confidential,
    -- Oscar stands in for the accounts of emea; the others have nobody.
    case when c.tenant_id = 1 and c.region = 'emea' then 203 end, '2024-01-01Z', '2024-01-01Z'
from (values
    (1, 1, 'Acorn Foods', 'Adopting', 'us-east', 'US', 4, 120000, 'green', '2025-09-30', '{analytics}', false),
    (2, 1, 'Birch Bank', 'Renewing', 'us-east', 'US', 4, 340000, 'yellow', '2025-03-31', '{journeys}', false),
    (3, 1, 'Cedar Health', 'Will Churn', 'us-east', 'US', 4, 80000, 'red', '2025-06-30', '{surveys}', false),
    (4, 1, 'Dogwood Media', 'Adopting', 'us-east', 'US', 4, 56000, 'green', '2026-01-31', '{}', false),
    (5, 1, 'Elm Logistics', 'Onboarding', 'us-east', 'US', 4, 99000, null, '2026-05-31', '{surveys}', false),
    (6, 1, 'Fir Defense', 'Adopting', 'us-east', 'US', 4, 810000, 'green', '2025-12-31', '{analytics,surveys}', true),
    (7, 1, 'Ginkgo Games', 'Renewing', 'us-east', 'CA', 4, 45000, 'red', '2025-02-28', '{}', false),
    (8, 1, 'Hazel Hotels', 'Adopting', 'us-east', 'US', null, 67000, 'yellow', '2025-11-30', '{journeys}', false),
    (9, 1, 'Ivy Insurance', 'Will Churn', 'us-east', 'US', 4, 230000, 'red', '2025-04-30', '{}', false),
    (10, 1, 'Juniper Jets', 'Prospect', 'us-east', 'US', 4, 0, null, null, '{}', false),
    (11, 1, 'Kapok Kitchens', 'Onboarding', 'us-east', 'US', 4, 38000, 'green', '2026-02-28', '{surveys}', false),
    (12, 1, 'Larch Legal', 'Archived', 'us-east', 'US', 4, 0, null, '2024-06-30', '{}', false),
    (13, 1, 'Maple Motors', 'Adopting', 'us-west', 'US', 5, 410000, 'green', '2025-10-31', '{analytics}', false),
    (14, 1, 'Nettle Networks', 'Renewing', 'us-west', 'US', 5, 150000, 'yellow', '2025-05-31', '{surveys}', false),
    (15, 1, 'Oak Outdoor', 'Will Churn', 'us-west', 'US', 5, 62000, 'red', '2025-08-31', '{journeys}', false),
    (16, 1, 'Pine Pharma', 'Adopting', 'us-west', 'US', 5, 275000, 'green', '2026-03-31', '{}', false),
    (17, 1, 'Quince Quarry', 'Onboarding', 'us-west', 'US', 5, 21000, null, '2026-06-30', '{}', false),
    (18, 1, 'Redwood Rail', 'Adopting', 'us-west', 'US', null, 190000, 'yellow', '2025-07-31', '{analytics,journeys}', false),
    (19, 1, 'Spruce Solar', 'Will Churn', 'us-west', 'US', 5, 88000, null, '2026-07-31', '{surveys}', false),
    (20, 1, 'Teak Telecom', 'Adopting', 'us-west', 'US', 5, 500000, 'green', '2025-12-31', '{}', true),
    (21, 1, 'Umbra Utilities', 'Renewing', 'us-west', 'US', 5, 73000, 'red', '2025-01-31', '{}', false),
    (22, 1, 'Vine Ventures', 'Prospect', 'us-west', 'US', 5, 0, null, null, '{journeys}', false),
    (23, 1, 'Willow Water', 'Onboarding', 'us-west', 'US', 5, 54000, 'green', '2026-04-30', '{}', false),
    (24, 1, 'Xylem Labs', 'Archived', 'us-west', 'US', 5, 0, 'red', '2024-03-31', '{analytics}', false),
    (25, 1, 'Yew Yachts', 'Adopting', 'emea', 'DE', 8, 132000, 'green', '2025-09-30', '{surveys}', false),
    (26, 1, 'Zelkova Zinc', 'Renewing', 'emea', 'AT', 6, 97000, 'yellow', '2025-04-30', '{}', false),
    (27, 1, 'Alder Airways', 'Will Churn', 'emea', 'FR', 7, 350000, 'red', '2025-03-31', '{journeys}', false),
    (28, 1, 'Beech Brewing', 'Adopting', 'emea', 'FR', 7, 41000, 'green', '2026-02-28', '{}', false),
    (29, 1, 'Cypress Capital', 'Adopting', 'emea', 'GB', 3, 620000, 'yellow', '2025-11-30', '{analytics}', false),
    (30, 1, 'Douglas Diagnostics', 'Onboarding', 'emea', 'GB', 3, 260000, 'green', '2026-01-31', '{analytics}', true),
    (31, 1, 'Ebony Energy', 'Renewing', 'emea', 'IE', 3, 83000, 'red', '2025-02-28', '{surveys}', false),
    (32, 1, 'Fig Fashion', 'Adopting', 'emea', 'ES', 3, 29000, null, '2025-10-31', '{}', false),
    (33, 1, 'Gorse Grain', 'Prospect', 'emea', 'RO', null, 0, null, null, '{}', false),
    (34, 1, 'Holly Homes', 'Will Churn', 'emea', 'DE', 6, 45000, 'yellow', '2025-06-30', '{}', false),
    (35, 1, 'Iroko Imports', 'Onboarding', 'emea', 'CZ', 3, 36000, 'green', '2026-05-31', '{journeys}', false),
    (36, 1, 'Jasmine Jewels', 'Archived', 'emea', 'CH', 6, 0, null, '2024-09-30', '{}', false),
    (37, 2, 'Nordlys Nets', 'Adopting', 'us-east', 'US', 4, 90000, 'green', '2025-09-30', '{analytics}', false),
    (38, 2, 'Orca Offshore', 'Will Churn', 'us-east', 'US', 4, 110000, 'red', '2025-05-31', '{journeys}', false),
    (39, 2, 'Polar Post', 'Renewing', 'emea', 'NO', 3, 47000, 'red', '2025-03-31', '{}', false),
    (40, 2, 'Quartz Quay', 'Adopting', 'emea', 'SE', 3, 52000, 'yellow', '2025-08-31', '{}', true)
) as c (company_id, tenant_id, name, stage, region, country_code, territory_id, arr, health, renewal_date, product_lines,
        is_confidential);

-- 1001 is on the team of Orca Offshore, another tenant's account: a mistake that must not open it.
insert into cs.account_member (company_id, user_id, role) values
    (1, 1001, 'owner'), (2, 1001, 'owner'), (3, 1001, 'owner'),
    (4, 1002, 'owner'), (5, 1002, 'owner'), (6, 1002, 'owner'), (12, 1002, 'owner'),
    (7, 1003, 'owner'), (8, 1004, 'owner'), (9, 1004, 'owner'),
    (13, 1011, 'owner'), (14, 1011, 'owner'), (15, 1011, 'owner'),
    (16, 1012, 'owner'), (17, 1012, 'owner'), (24, 1012, 'owner'),
    (18, 1013, 'owner'), (19, 1013, 'owner'),
    (20, 1014, 'owner'), (21, 1014, 'owner'), (23, 206, 'owner'),
    (25, 1021, 'owner'), (26, 1021, 'owner'), (36, 1021, 'owner'),
    (27, 1022, 'owner'), (28, 1022, 'owner'),
    (29, 1023, 'owner'), (30, 1023, 'owner'),
    (31, 1024, 'owner'), (32, 1025, 'owner'), (33, 1026, 'owner'), (35, 131, 'owner'),
    (37, 502, 'owner'), (38, 502, 'owner'),
    (11, 1001, 'technical'), (25, 1001, 'technical'),
    (29, 1023, 'technical'), (16, 1023, 'executive'),
    (29, 301, 'technical'), (30, 301, 'technical'), (25, 301, 'technical'),
    (1, 302, 'observer'), (22, 1014, 'observer'),
    (1, 100, 'executive'), (13, 100, 'executive'), (25, 100, 'executive'),
    (39, 501, 'executive'), (38, 1001, 'observer');

insert into cs.relationship_type (code, label) values
    ('subscription', 'Subscription'),
    ('implementation', 'Implementation project'),
    ('advisory', 'Advisory board');

-- The main relationship of company N is N1; every third company has a second one, N2.
insert into cs.relationship (relationship_id, company_id, type_code, name, lead_id)
select c.company_id * 10 + 1, c.company_id, 'subscription', c.name || ', main', null
from cs.company as c
union all
select c.company_id * 10 + 2, c.company_id,
    case when c.company_id % 2 = 0 then 'implementation' else 'advisory' end,
    c.name || case when c.company_id % 2 = 0 then ', rollout' else ', advisory board' end,
    case when c.company_id = 15 then 1001 end
from cs.company as c
where c.company_id % 3 = 0;

-- Company N has the CTAs N1 to N6: two of its owner's, one of a partner or implementation manager, one of the regional
-- manager, one in the pool, and one that is Carla's (every seventh company), an erased person's (emea) or nobody's.
insert into cs.call_to_action
    (cta_id, company_id, relationship_id, owner_id, title, reason, priority, status, due_date, notes, created_at, updated_at)
select c.company_id * 10 + n.n,
    c.company_id,
    c.company_id * 10 + case when n.n >= 5 and c.company_id % 3 = 0 then 2 else 1 end,
    case n.n
        when 1 then o.user_id
        when 2 then o.user_id
        when 3 then case c.region when 'emea' then 301 when 'us-east' then 302 else 205 end
        when 4 then case c.region when 'emea' then 131 when 'us-east' then 111 else 121 end
        when 6 then case when c.company_id % 7 = 0 then 1001 when c.region = 'emea' then 1025 end
    end,
    (array['Renewal call', 'Adoption review', 'Integration check', 'Escalation', 'Survey follow-up', 'Executive visit'])[n.n]
        || ' with ' || c.name,
    (array['renewal', 'adoption', 'integration', 'risk', 'survey', 'relationship'])[n.n],
    (array['low', 'medium', 'high'])[1 + (c.company_id + n.n) % 3],
    (array['Closed', 'Open', 'In Progress'])[1 + (c.company_id + n.n) % 3],
    case n.n
        when 2 then date '2099-01-01'
        when 4 then date '2025-03-01'
        when 6 then null
        else date '2025-01-15' + c.company_id::integer
    end,
    'Talk to the sponsor of ' || c.name || '.',
    '2025-01-01Z',
    '2025-01-01Z'
from cs.company as c
    cross join generate_series(1, 6) as n (n)
    left join cs.account_member as o on o.company_id = c.company_id and o.role = 'owner';

insert into cs.note (note_id, cta_id, author_id, body, state, created_at)
select t.cta_id, t.cta_id, coalesce(t.owner_id, 203), 'Spoke about: ' || t.title || '.',
    case when t.cta_id % 3 = 0 then 'draft' else 'final' end, timestamptz '2025-02-01Z'
from cs.call_to_action as t
where t.cta_id % 4 = 1
union all
select 9001, 11, 1002, 'Somebody from her team helped with this one.', 'draft', '2025-02-02Z'
union all
select 9002, 11, 1001, 'This one is not done yet.', 'draft', '2025-02-03Z';

insert into cs.success_plan (plan_id, company_id, relationship_id, owner_id, approved_by, name, status)
select c.company_id, c.company_id, c.company_id * 10 + 1, o.user_id,
    case when c.company_id % 3 <> 1 then 100 end,
    'Plan for ' || c.name,
    (array['closed', 'draft', 'active'])[1 + c.company_id % 3]
from cs.company as c
    join cs.account_member as o on o.company_id = c.company_id and o.role = 'owner';

insert into cs.scorecard (scorecard_id, company_id, measure, score, intended_for)
select c.company_id * 10 + m.n, c.company_id, m.measure, 40 + (c.company_id * 7 + m.n * 13) % 60, m.intended_for
from cs.company as c
    cross join (values (1, 'adoption', 'owner'), (2, 'integration', 'technical'), (3, 'sponsorship', 'executive'),
        (4, 'sentiment', null)) as m (n, measure, intended_for);

-- 400 activities over the first half of 2025 and the days after it; 401 to 403 have no company, one that does not exist, and
-- a time before the first partition.
insert into cs.timeline_activity (activity_id, occurred_at, company_id, author_id, kind, subject, body)
select g.n,
    timestamptz '2025-01-01 08:00:00+00' + g.n * interval '11 hours',
    1 + g.n % 40,
    (array[1001, 1012, 1022, 301, 131, 1025])[1 + g.n % 6],
    (array['call', 'mail', 'meeting', 'milestone'])[1 + g.n % 4],
    'Activity ' || g.n,
    'What was said, number ' || g.n || '.'
from generate_series(1, 400) as g (n)
union all
select 401, '2025-02-10 12:00:00+00', null, 1001, 'mail', 'Unfiled', 'Not yet filed under an account.'
union all
select 402, '2025-02-11 12:00:00+00', 999, 1001, 'mail', 'Early', 'The account is not loaded yet.'
union all
select 403, '2024-12-31 12:00:00+00', 1, 1002, 'call', 'Before', 'From before the first month.';

update cs.timeline_activity as a
set author_name = case u.status when 'ERASED' then 'Deleted user' else u.first_name || ' ' || u.last_name end
from cs.app_user as u
where u.user_id = a.author_id;

insert into cs.help_article (article_id, title, body, is_public) values
    ('0b7d1a52-0000-4000-8000-000000000001', 'Signing in', 'Use your work address.', true),
    ('0b7d1a52-0000-4000-8000-000000000002', 'What a CTA is', 'A call to action is a piece of work.', true),
    ('0b7d1a52-0000-4000-8000-000000000003', 'Escalating an account', 'Ask your director first.', false);
