-- What each viewer of the customer-success platform may read and update, for all viewers at once, written by hand from the
-- demands (P1 to P13) against the bare tables. Nothing here comes from pgerase; it runs in a database that never had it.
--
-- Every view <table>_read and <table>_update has the columns viewer and key, both text.

create schema expected;

-- P1: only known, active users see anything.
create view expected.viewer as
select *
from cs.app_user
where status = 'ACTIVE';

-- P7: a person has what the people below have. Inactive people's rows still need someone; erased ones only pass on.
create view expected.people as
with recursive below (viewer, user_id) as (
    select v.user_id, v.user_id
    from expected.viewer as v
    union
    select b.viewer, u.user_id
    from below as b
        join cs.app_user as u on u.manager_id = b.user_id
)
select b.viewer, u.*
from below as b
    join cs.app_user as u on u.user_id = b.user_id
where u.status <> 'ERASED';

-- P8: sharing groups.
create view expected.member as
select 'csm_us_east' as group_name, u.user_id
from cs.app_user as u
where u.status = 'ACTIVE'
    and (u.region = 'us-east' and u.title in ('CSM', 'Senior CSM')
        or u.user_id in (select m.user_id from cs.sharing_group_member as m where m.group_name = 'csm_us_east'))
union
select 'churn_council', u.user_id
from cs.app_user as u
    join cs.sharing_group_member as m on m.user_id = u.user_id
where u.status = 'ACTIVE' and m.group_name = 'churn_council'
union
select 'archive_desk', u.user_id
from cs.app_user as u
where u.user_id in (206, 208);


-- Accounts: P2, P3, P4, P9, P13 -----------------------------------------------------------------------------------------

-- What holds for everybody: one's own tenant, and outsiders see nothing confidential. Super admins included.
create view expected.company_in_bounds as
select v.user_id as viewer, v.is_super_admin, c.*
from expected.viewer as v
    join cs.company as c on c.tenant_id = v.tenant_id
where v.kind = 'employee' or not c.is_confidential;

create view expected.company_granted as
-- The churn desk: accounts in stage "Will Churn", wherever they are.
select p.viewer, c.company_id
from expected.people as p
    join expected.member as m on m.user_id = p.user_id and m.group_name = 'csm_us_east'
    cross join cs.company as c
where c.stage = 'Will Churn'
union
-- Senior CSMs and managers see their region.
select p.viewer, c.company_id
from expected.people as p
    join cs.company as c on c.region = p.region
where p.title in ('Senior CSM', 'CS Manager')
union
-- Whoever is on the account team.
select p.viewer, m.company_id
from expected.people as p
    join cs.account_member as m on m.user_id = p.user_id
union
-- The accounts of one's territories and of all below: 3 is EMEA with France, DACH and Berlin, 6 is DACH with Berlin, 4 has
-- nothing below it.
select p.viewer, c.company_id
from expected.people as p
    join cs.territory_member as m on m.user_id = p.user_id
    join cs.company as c on c.territory_id = any (case m.territory_id
        when 3 then array[3, 6, 7, 8]
        when 6 then array[6, 8]
        else array[m.territory_id]
    end)
union
-- Renewals of 2025 that are at risk: in red, about to churn, or big.
select p.viewer, c.company_id
from expected.people as p
    cross join cs.company as c
where p.title = 'Renewal Manager'
    and extract(year from c.renewal_date) = 2025
    and (coalesce(c.health, '') = 'red' or c.stage = 'Will Churn' or c.arr >= 300000)
union
-- The churn council sees what is in red.
select p.viewer, c.company_id
from expected.people as p
    join expected.member as m on m.user_id = p.user_id and m.group_name = 'churn_council'
    cross join cs.company as c
where c.health = 'red'
union
-- The archive desk, with its inactive member.
select p.viewer, c.company_id
from expected.people as p
    join expected.member as m on m.user_id = p.user_id and m.group_name = 'archive_desk'
    cross join cs.company as c
where c.stage = 'Archived'
union
-- Product specialists see who uses one of their products.
select p.viewer, c.company_id
from expected.people as p
    join cs.company as c on exists (select unnest(c.product_lines) intersect select unnest(p.products))
where p.title like 'Product%'
union
-- Support leads see the region of their team.
select p.viewer, c.company_id
from expected.people as p
    join cs.team as t on t.team_id = p.team_id
    join cs.company as c on c.region = t.region
where p.title = 'Support Lead'
union
-- Account executives see the prospects of their region; directors and the VP all prospects without revenue or assessment.
select p.viewer, c.company_id
from expected.people as p
    cross join cs.company as c
where c.stage = 'Prospect'
    and (p.title = 'Account Executive' and c.region = p.region
        or p.title in ('VP Customer Success', 'CS Director') and (c.arr = 0 or c.health is null));

create view expected.company_r as
select b.viewer, b.company_id
from expected.company_in_bounds as b
where b.is_super_admin or (b.viewer, b.company_id) in (select g.viewer, g.company_id from expected.company_granted as g);

create view expected.company_u as
select b.viewer, b.company_id
from expected.company_in_bounds as b
where b.stage <> 'Archived'
    and (b.is_super_admin
        or exists (
            select
            from expected.people as p
                join cs.account_member as m on m.user_id = p.user_id and m.role = 'owner'
            where p.viewer = b.viewer and m.company_id = b.company_id
        ));

create view expected.company_read as
select viewer::text, company_id::text as key
from expected.company_r;

create view expected.company_update as
select viewer::text, company_id::text as key
from expected.company_u;

-- The team of an account is read with the account. Nobody changes a membership in place, but a super admin.
create view expected.account_member_read as
select r.viewer::text, concat_ws('/', m.company_id, m.user_id, m.role) as key
from expected.company_r as r
    join cs.account_member as m on m.company_id = r.company_id;

create view expected.account_member_update as
select b.viewer::text, concat_ws('/', m.company_id, m.user_id, m.role) as key
from expected.company_in_bounds as b
    join cs.account_member as m on m.company_id = b.company_id
where b.is_super_admin and b.stage <> 'Archived';


-- Relationships: P5 -------------------------------------------------------------------------------------------------------

create view expected.relationship_type_r as
select v.user_id as viewer, t.code
from expected.viewer as v
    cross join cs.relationship_type as t
where v.is_super_admin
    or t.code = 'implementation'
        and exists (select from expected.people as p where p.viewer = v.user_id and p.title = 'Implementation Manager');

create view expected.relationship_type_read as
select viewer::text, code as key
from expected.relationship_type_r;

create view expected.relationship_type_update as
select viewer::text, code as key
from expected.relationship_type_r;

create view expected.relationship_r as
select b.viewer, r.relationship_id
from expected.company_in_bounds as b
    join cs.relationship as r on r.company_id = b.company_id
where b.is_super_admin
    or (b.viewer, b.company_id) in (select c.viewer, c.company_id from expected.company_r as c)
    or (b.viewer, r.type_code) in (select t.viewer, t.code from expected.relationship_type_r as t)
    or (b.viewer, r.lead_id) in (select p.viewer, p.user_id from expected.people as p);

create view expected.relationship_u as
select b.viewer, r.relationship_id
from expected.company_in_bounds as b
    join cs.relationship as r on r.company_id = b.company_id
where b.stage <> 'Archived'
    and (b.is_super_admin
        or (b.viewer, b.company_id) in (select c.viewer, c.company_id from expected.company_u as c)
        or (b.viewer, r.type_code) in (select t.viewer, t.code from expected.relationship_type_r as t)
        or (b.viewer, r.lead_id) in (select p.viewer, p.user_id from expected.people as p));

create view expected.relationship_read as
select viewer::text, relationship_id::text as key
from expected.relationship_r;

create view expected.relationship_update as
select viewer::text, relationship_id::text as key
from expected.relationship_u;


-- CTAs: P5, P6 ------------------------------------------------------------------------------------------------------------

-- For each viewer and CTA within bounds: which of the reasons to see or change it hold.
create view expected.cta_reasons as
select b.viewer, b.is_super_admin, b.stage, v.user_type, v.kind, t.cta_id,
    (b.viewer, t.owner_id) in (select p.viewer, p.user_id from expected.people as p) as is_owner,
    t.status <> 'Closed' and t.due_date < current_date - 30
        and exists (select from expected.people as p where p.viewer = b.viewer and p.title = 'CS Operations') as is_chaser,
    (b.viewer, b.company_id) in (select c.viewer, c.company_id from expected.company_r as c) as sees_company,
    (b.viewer, b.company_id) in (select c.viewer, c.company_id from expected.company_u as c) as changes_company,
    (b.viewer, t.relationship_id) in (select r.viewer, r.relationship_id from expected.relationship_r as r) as sees_relationship,
    (b.viewer, t.relationship_id) in (select r.viewer, r.relationship_id from expected.relationship_u as r) as changes_relationship
from expected.company_in_bounds as b
    join expected.viewer as v on v.user_id = b.viewer
    join cs.call_to_action as t on t.company_id = b.company_id;

create view expected.cta_r as
select r.viewer, r.cta_id
from expected.cta_reasons as r
where r.is_super_admin
    or case
        -- Partners see only the CTAs they own, on accounts they see.
        when r.user_type = 'partner' then r.is_owner and r.sees_company
        -- Contractors need to see the account, whatever else they have.
        when r.kind = 'contractor' then (coalesce(r.is_owner, false) or r.sees_relationship) and r.sees_company
        else coalesce(r.is_owner, false) or coalesce(r.is_chaser, false) or r.sees_company or r.sees_relationship
    end;

create view expected.cta_u as
select r.viewer, r.cta_id
from expected.cta_reasons as r
where r.stage <> 'Archived'
    and (r.is_super_admin
        or case
            when r.user_type = 'partner' then r.is_owner and r.changes_company
            when r.kind = 'contractor' then (coalesce(r.is_owner, false) or r.changes_relationship) and r.changes_company
            else coalesce(r.is_owner, false) or r.changes_company or r.changes_relationship
        end)
    and (r.viewer, r.cta_id) in (select s.viewer, s.cta_id from expected.cta_r as s);

create view expected.call_to_action_read as
select viewer::text, cta_id::text as key
from expected.cta_r;

create view expected.call_to_action_update as
select viewer::text, cta_id::text as key
from expected.cta_u;

-- Notes are read with their CTA, and changed by their author while they are drafts.
create view expected.note_read as
select r.viewer::text, n.note_id::text as key
from expected.cta_r as r
    join cs.note as n on n.cta_id = r.cta_id;

create view expected.note_update as
select r.viewer::text, n.note_id::text as key
from expected.cta_r as r
    join expected.viewer as v on v.user_id = r.viewer
    join cs.note as n on n.cta_id = r.cta_id
    join cs.call_to_action as t on t.cta_id = n.cta_id
    join cs.company as c on c.company_id = t.company_id
where c.stage <> 'Archived'
    and (v.is_super_admin or n.author_id = r.viewer and n.state = 'draft');


-- Success plans -----------------------------------------------------------------------------------------------------------

create view expected.success_plan_read as
select b.viewer::text, s.plan_id::text as key
from expected.company_in_bounds as b
    join expected.viewer as v on v.user_id = b.viewer
    join cs.success_plan as s on s.company_id = b.company_id
where b.is_super_admin
    or case
        when v.kind in ('contractor', 'partner') then
            (b.viewer, s.owner_id) in (select p.viewer, p.user_id from expected.people as p)
            and (b.viewer, s.company_id) in (select c.viewer, c.company_id from expected.company_r as c)
        else
            (b.viewer, s.owner_id) in (select p.viewer, p.user_id from expected.people as p)
            or (b.viewer, s.company_id) in (select c.viewer, c.company_id from expected.company_r as c)
            or (b.viewer, s.relationship_id) in (select r.viewer, r.relationship_id from expected.relationship_r as r)
    end;

-- Changed by who may change the account or the relationship, and as a draft by its owner, or by a director or the VP who
-- approves it. An active plan is changed only by the director or VP who approved it, and never by its owner; and they change no
-- plan of their own, draft or not. Super admins are bound as well.
create view expected.success_plan_update as
select b.viewer::text, s.plan_id::text as key
from expected.company_in_bounds as b
    join expected.viewer as v on v.user_id = b.viewer
    join cs.success_plan as s on s.company_id = b.company_id
    cross join lateral (
        select s.status = 'draft'
                and ((b.viewer, s.owner_id) in (select p.viewer, p.user_id from expected.people as p)
                    or v.title in ('CS Director', 'VP Customer Success') and s.owner_id <> b.viewer
                        and (b.viewer, s.company_id) in (select c.viewer, c.company_id from expected.company_r as c)) as has_own,
            (b.viewer, s.company_id) in (select c.viewer, c.company_id from expected.company_u as c) as changes_company,
            (b.viewer, s.relationship_id) in (select r.viewer, r.relationship_id from expected.relationship_u as r)
                as changes_relationship
    ) as why
where b.stage <> 'Archived'
    and (b.is_super_admin
        or case
            when v.kind in ('contractor', 'partner') then why.has_own and why.changes_company
            else coalesce(why.has_own, false) or why.changes_company or why.changes_relationship
        end)
    and (s.status <> 'active'
        or s.approved_by = b.viewer and s.owner_id <> b.viewer and v.title in ('CS Director', 'VP Customer Success'))
    and (s.owner_id <> b.viewer or coalesce(v.title not in ('CS Director', 'VP Customer Success'), true))
    and (b.viewer::text, s.plan_id::text) in (select r.viewer, r.key from expected.success_plan_read as r);


-- Scorecards: P6 ----------------------------------------------------------------------------------------------------------

-- A measure is meant for one role on the account; operations look at low scores. Either way the account must be one's to
-- see. The VP reads every score of the accounts she sees.
create view expected.scorecard_reasons as
select b.viewer, b.is_super_admin, b.stage, v.title, s.scorecard_id,
    exists (
        select
        from expected.people as p
            join cs.account_member as m on m.user_id = p.user_id
        where p.viewer = b.viewer and m.company_id = s.company_id and m.role = s.intended_for
    ) as has_role,
    s.score < 50
        and exists (select from expected.people as p where p.viewer = b.viewer and p.title = 'CS Operations') as is_operations,
    (b.viewer, s.company_id) in (select c.viewer, c.company_id from expected.company_r as c) as sees_company,
    (b.viewer, s.company_id) in (select c.viewer, c.company_id from expected.company_u as c) as changes_company
from expected.company_in_bounds as b
    join expected.viewer as v on v.user_id = b.viewer
    join cs.scorecard as s on s.company_id = b.company_id;

create view expected.scorecard_read as
select r.viewer::text, r.scorecard_id::text as key
from expected.scorecard_reasons as r
where r.is_super_admin
    or (r.has_role or r.is_operations) and r.sees_company
    or r.title = 'VP Customer Success' and (r.has_role or r.is_operations or r.sees_company);

create view expected.scorecard_update as
select r.viewer::text, r.scorecard_id::text as key
from expected.scorecard_reasons as r
where r.stage <> 'Archived'
    and (r.is_super_admin
        or r.is_operations and r.changes_company
        or r.title = 'VP Customer Success' and (r.is_operations or r.changes_company))
    and (r.viewer::text, r.scorecard_id::text) in (select s.viewer, s.key from expected.scorecard_read as s);


-- Activities: P5, superseded "everyone reads", a lookup without a constraint ----------------------------------------------

create view expected.timeline_activity_read as
select b.viewer::text, a.activity_id::text as key
from expected.company_in_bounds as b
    join cs.timeline_activity as a on a.company_id = b.company_id
where b.is_super_admin
    or (b.viewer, b.company_id) in (select c.viewer, c.company_id from expected.company_r as c)
    or (b.viewer, a.author_id) in (select p.viewer, p.user_id from expected.people as p);

create view expected.timeline_activity_update as
select b.viewer::text, a.activity_id::text as key
from expected.company_in_bounds as b
    join cs.timeline_activity as a on a.company_id = b.company_id
where b.stage <> 'Archived'
    and (b.is_super_admin
        or (b.viewer, b.company_id) in (select c.viewer, c.company_id from expected.company_u as c)
        or (b.viewer, a.author_id) in (select p.viewer, p.user_id from expected.people as p));


-- People and groups -------------------------------------------------------------------------------------------------------

create view expected.tenant_read as
select v.user_id::text as viewer, v.tenant_id::text as key
from expected.viewer as v;

create view expected.tenant_update as
select v.user_id::text as viewer, v.tenant_id::text as key
from expected.viewer as v
where v.is_super_admin;

create view expected.team_read as
select v.user_id::text as viewer, t.team_id::text as key
from expected.viewer as v
    join cs.team as t on t.tenant_id = v.tenant_id;

create view expected.team_update as
select v.user_id::text as viewer, t.team_id::text as key
from expected.viewer as v
    join cs.team as t on t.tenant_id = v.tenant_id
where v.is_super_admin;

-- Employees and contractors see everybody of their tenant; partners themselves and whom they share an account with.
create view expected.app_user_r as
select v.user_id as viewer, u.user_id
from expected.viewer as v
    join cs.app_user as u on u.tenant_id = v.tenant_id
where v.is_super_admin
    or u.user_id = v.user_id
    or exists (select from expected.people as p where p.viewer = v.user_id and p.kind in ('employee', 'contractor'))
    or exists (
        select
        from expected.people as p
            join cs.account_member as mine on mine.user_id = p.user_id
            join cs.account_member as theirs on theirs.company_id = mine.company_id
        where p.viewer = v.user_id and theirs.user_id = u.user_id
    );

create view expected.app_user_read as
select viewer::text, user_id::text as key
from expected.app_user_r;

-- One's own details; operations change those of others, but not of super admins and erased people.
create view expected.app_user_update as
select v.user_id::text as viewer, u.user_id::text as key
from expected.viewer as v
    join cs.app_user as u on u.tenant_id = v.tenant_id
where v.is_super_admin
    or case
        when v.title = 'CS Operations'
            then u.user_id <> v.user_id
                and u.manager_id is distinct from v.user_id
                and not u.is_super_admin
                and u.status <> 'ERASED'
        else u.user_id = v.user_id
    end;

create view expected.territory_read as
select v.user_id::text as viewer, t.territory_id::text as key
from expected.viewer as v
    cross join cs.territory as t;

create view expected.territory_update as
select v.user_id::text as viewer, t.territory_id::text as key
from expected.viewer as v
    cross join cs.territory as t
where v.is_super_admin;

create view expected.territory_member_read as
select v.user_id::text as viewer, concat_ws('/', m.territory_id, m.user_id) as key
from expected.viewer as v
    join cs.app_user as u on u.tenant_id = v.tenant_id
    join cs.territory_member as m on m.user_id = u.user_id
where v.is_super_admin
    or (v.user_id, m.user_id) in (select p.viewer, p.user_id from expected.people as p);

create view expected.territory_member_update as
select v.user_id::text as viewer, concat_ws('/', m.territory_id, m.user_id) as key
from expected.viewer as v
    join cs.app_user as u on u.tenant_id = v.tenant_id
    join cs.territory_member as m on m.user_id = u.user_id
where v.is_super_admin;

create view expected.sharing_group_read as
select v.user_id::text as viewer, g.group_name as key
from expected.viewer as v
    join cs.app_user as keeper on keeper.tenant_id = v.tenant_id
    join cs.sharing_group as g on g.owner_id = keeper.user_id
where v.is_super_admin
    or (v.user_id, g.owner_id) in (select p.viewer, p.user_id from expected.people as p);

create view expected.sharing_group_update as
select *
from expected.sharing_group_read;

-- Members: by whoever keeps the group (not by managers above), and read by the members themselves.
create view expected.sharing_group_member_read as
select v.user_id::text as viewer, concat_ws('/', m.group_name, m.user_id) as key
from expected.viewer as v
    join cs.app_user as u on u.tenant_id = v.tenant_id
    join cs.sharing_group_member as m on m.user_id = u.user_id
    join cs.sharing_group as g on g.group_name = m.group_name
    join cs.app_user as keeper on keeper.user_id = g.owner_id and keeper.tenant_id = v.tenant_id
where v.is_super_admin
    or g.owner_id = v.user_id
    or (v.user_id, m.user_id) in (select p.viewer, p.user_id from expected.people as p);

create view expected.sharing_group_member_update as
select v.user_id::text as viewer, concat_ws('/', m.group_name, m.user_id) as key
from expected.viewer as v
    join cs.app_user as u on u.tenant_id = v.tenant_id
    join cs.sharing_group_member as m on m.user_id = u.user_id
    join cs.sharing_group as g on g.group_name = m.group_name
    join cs.app_user as keeper on keeper.user_id = g.owner_id and keeper.tenant_id = v.tenant_id
where v.is_super_admin
    or g.owner_id = v.user_id;

create view expected.stage_read as
select v.user_id::text as viewer, s.stage as key
from expected.viewer as v
    cross join cs.stage as s;

create view expected.stage_update as
select v.user_id::text as viewer, s.stage as key
from expected.viewer as v
    cross join cs.stage as s
where v.is_super_admin;

create view expected.help_article_read as
select v.user_id::text as viewer, h.article_id::text as key
from expected.viewer as v
    cross join cs.help_article as h;

create view expected.help_article_update as
select v.user_id::text as viewer, h.article_id::text as key
from expected.viewer as v
    cross join cs.help_article as h
where v.is_super_admin;
