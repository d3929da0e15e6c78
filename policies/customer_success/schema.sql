-- The tables of a customer-success platform, as an application would create them: no row security, no roles, no pgerase.
-- Run in an empty database; seed.sql fills it.

create schema cs;
comment on schema cs is 'A customer-success platform: accounts, the work on them, and the people who do it.';


-- People and how they are grouped ---------------------------------------------------------------------------------

create table cs.tenant (
    tenant_id bigint primary key,
    name text not null unique
);
comment on table cs.tenant is 'A company that uses the platform; its data never meets another tenant''s.';

create table cs.team (
    team_id bigint primary key,
    tenant_id bigint not null references cs.tenant (tenant_id),
    name text not null,
    region text not null
);
comment on table cs.team is 'A team; its region may differ from the regions of the people in it.';
create index team_tenant_id_idx on cs.team (tenant_id);

create table cs.app_user (
    user_id bigint primary key,
    tenant_id bigint not null references cs.tenant (tenant_id),
    user_name text not null unique,
    first_name text not null,
    last_name text not null,
    email text not null unique,
    phone text,
    birth_date date,
    country_code text,
    region text,
    title text,
    user_type text not null default 'internal',
    kind text not null default 'employee',
    status text not null default 'ACTIVE',
    is_super_admin boolean not null default false,
    manager_id bigint references cs.app_user (user_id),
    team_id bigint references cs.team (team_id),
    products text[] not null default '{}',
    allow_support boolean not null default false,
    inactive_at timestamptz,
    last_login_at timestamptz,
    created_at timestamptz not null default now(),
    constraint app_user_user_type_check check (user_type in ('internal', 'partner', 'support_agent')),
    constraint app_user_kind_check check (kind in ('employee', 'contractor', 'partner')),
    constraint app_user_status_check check (status in ('ACTIVE', 'INACTIVE', 'ERASED'))
);
comment on table cs.app_user is 'A person who signs in. Status goes ACTIVE, INACTIVE and back; ERASED is for ever.';
create index app_user_tenant_id_idx on cs.app_user (tenant_id);
create index app_user_manager_id_idx on cs.app_user (manager_id);
create index app_user_team_id_idx on cs.app_user (team_id);
create index app_user_region_title_idx on cs.app_user (region, title);

alter table cs.tenant
    add column admin_id bigint references cs.app_user (user_id);
comment on column cs.tenant.admin_id is 'The super admin who gets the work that nobody else can take.';
create index tenant_admin_id_idx on cs.tenant (admin_id);

create table cs.territory (
    territory_id bigint primary key,
    parent_id bigint references cs.territory (territory_id),
    name text not null
);
comment on table cs.territory is 'A tree of sales territories; who is a member of one covers everything below it.';
create index territory_parent_id_idx on cs.territory (parent_id);

create table cs.territory_member (
    territory_id bigint not null references cs.territory (territory_id),
    user_id bigint not null references cs.app_user (user_id),
    primary key (territory_id, user_id)
);
create index territory_member_user_id_idx on cs.territory_member (user_id, territory_id);

create table cs.sharing_group (
    group_name text primary key,
    owner_id bigint not null references cs.app_user (user_id),
    description text not null
);
comment on table cs.sharing_group is 'A sharing group; its criteria stand in access.yaml, its members by hand in sharing_group_member.';
create index sharing_group_owner_id_idx on cs.sharing_group (owner_id);

create table cs.sharing_group_member (
    group_name text not null references cs.sharing_group (group_name),
    user_id bigint not null references cs.app_user (user_id),
    added_at timestamptz not null default now(),
    primary key (group_name, user_id)
);
create index sharing_group_member_user_id_idx on cs.sharing_group_member (user_id);


-- Accounts --------------------------------------------------------------------------------------------------------

create table cs.stage (
    stage text primary key,
    position integer not null unique,
    is_final boolean not null default false
);
comment on table cs.stage is 'The stages an account goes through.';

create table cs.company (
    company_id bigint primary key,
    tenant_id bigint not null references cs.tenant (tenant_id),
    name text not null,
    stage text not null references cs.stage (stage),
    region text not null,
    country_code text not null,
    territory_id bigint references cs.territory (territory_id),
    arr numeric(12, 2) not null default 0,
    health text,
    renewal_date date,
    product_lines text[] not null default '{}',
    is_confidential boolean not null default false,
    pool_user_id bigint references cs.app_user (user_id),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint company_health_check check (health in ('green', 'yellow', 'red'))
);
comment on table cs.company is 'A customer account. A health of null has not been assessed yet.';
comment on column cs.company.pool_user_id is 'Who looks after the account''s work when its owner is gone and has no manager.';
create index company_tenant_id_idx on cs.company (tenant_id);
create index company_stage_idx on cs.company (stage);
create index company_region_idx on cs.company (region);
create index company_territory_id_idx on cs.company (territory_id);
create index company_renewal_date_idx on cs.company (renewal_date);
create index company_pool_user_id_idx on cs.company (pool_user_id);

create table cs.account_member (
    company_id bigint not null references cs.company (company_id) on delete cascade,
    user_id bigint not null references cs.app_user (user_id),
    role text not null,
    primary key (company_id, user_id, role),
    constraint account_member_role_check check (role in ('owner', 'executive', 'technical', 'observer'))
);
comment on table cs.account_member is 'The account team: one row for each role a person has on an account.';
create index account_member_user_id_idx on cs.account_member (user_id, company_id, role);

create table cs.relationship_type (
    code text primary key,
    label text not null
);
comment on table cs.relationship_type is 'What kind of business a relationship is.';

create table cs.relationship (
    relationship_id bigint primary key,
    company_id bigint not null references cs.company (company_id) on delete cascade,
    type_code text not null references cs.relationship_type (code),
    name text not null,
    lead_id bigint references cs.app_user (user_id)
);
comment on table cs.relationship is 'A line of business with an account; every account has at least its main one.';
create index relationship_company_id_idx on cs.relationship (company_id);
create index relationship_type_code_idx on cs.relationship (type_code);
create index relationship_lead_id_idx on cs.relationship (lead_id);


-- Work ------------------------------------------------------------------------------------------------------------

create table cs.call_to_action (
    cta_id bigint primary key,
    company_id bigint not null references cs.company (company_id) on delete cascade,
    relationship_id bigint not null references cs.relationship (relationship_id) on delete cascade,
    owner_id bigint references cs.app_user (user_id),
    title text not null,
    reason text not null,
    priority text not null default 'medium',
    status text not null default 'Open',
    due_date date,
    notes text,
    handover boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint call_to_action_status_check check (status in ('Open', 'In Progress', 'Closed'))
);
comment on table cs.call_to_action is 'A call to action (CTA): one piece of work on an account. Without an owner it waits in the pool.';
comment on column cs.call_to_action.handover is 'Came from somebody who is gone; true until whoever has it now takes it over.';
create index call_to_action_company_id_idx on cs.call_to_action (company_id);
create index call_to_action_relationship_id_idx on cs.call_to_action (relationship_id);
create index call_to_action_owner_id_idx on cs.call_to_action (owner_id);
create index call_to_action_due_date_idx on cs.call_to_action (due_date) where status <> 'Closed';

create table cs.note (
    note_id bigint primary key,
    cta_id bigint not null references cs.call_to_action (cta_id) on delete cascade,
    author_id bigint references cs.app_user (user_id),
    body text not null,
    state text not null default 'draft',
    created_at timestamptz not null default now(),
    constraint note_state_check check (state in ('draft', 'final'))
);
comment on table cs.note is 'A note on a CTA; a final one is never changed again.';
create index note_cta_id_idx on cs.note (cta_id);
create index note_author_id_idx on cs.note (author_id);

create table cs.success_plan (
    plan_id bigint primary key,
    company_id bigint not null references cs.company (company_id) on delete cascade,
    relationship_id bigint not null references cs.relationship (relationship_id) on delete cascade,
    owner_id bigint not null references cs.app_user (user_id),
    approved_by bigint references cs.app_user (user_id),
    name text not null,
    status text not null default 'draft',
    constraint success_plan_status_check check (status in ('draft', 'active', 'closed'))
);
comment on table cs.success_plan is 'What an account wants to reach; active once somebody else than its owner has approved it.';
create index success_plan_company_id_idx on cs.success_plan (company_id);
create index success_plan_relationship_id_idx on cs.success_plan (relationship_id);
create index success_plan_owner_id_idx on cs.success_plan (owner_id);
create index success_plan_approved_by_idx on cs.success_plan (approved_by);

create table cs.scorecard (
    scorecard_id bigint primary key,
    company_id bigint not null references cs.company (company_id) on delete cascade,
    measure text not null,
    score integer not null,
    intended_for text,
    unique (company_id, measure)
);
comment on table cs.scorecard is 'A measure of an account, meant for those who have one role on its team (null: for nobody in particular).';

-- company_id has no constraint: activities are loaded from mail and calendars, before or after their account. The lookup is
-- declared in access.yaml under references instead.
create table cs.timeline_activity (
    activity_id bigint not null,
    occurred_at timestamptz not null,
    company_id bigint,
    author_id bigint references cs.app_user (user_id),
    author_name text,
    kind text not null,
    subject text not null,
    body text,
    primary key (activity_id, occurred_at)
) partition by range (occurred_at);
comment on table cs.timeline_activity is 'What happened with an account: calls, mails, meetings; partitioned by month.';
comment on column cs.timeline_activity.author_name is 'The author as the mail or the calendar named him.';
create table cs.timeline_activity_y2025m01 partition of cs.timeline_activity
    for values from ('2025-01-01 00:00:00+00') to ('2025-02-01 00:00:00+00');
create table cs.timeline_activity_y2025m02 partition of cs.timeline_activity
    for values from ('2025-02-01 00:00:00+00') to ('2025-03-01 00:00:00+00');
create table cs.timeline_activity_y2025m03 partition of cs.timeline_activity
    for values from ('2025-03-01 00:00:00+00') to ('2025-04-01 00:00:00+00');
create table cs.timeline_activity_y2025m04 partition of cs.timeline_activity
    for values from ('2025-04-01 00:00:00+00') to ('2025-05-01 00:00:00+00');
create table cs.timeline_activity_y2025m05 partition of cs.timeline_activity
    for values from ('2025-05-01 00:00:00+00') to ('2025-06-01 00:00:00+00');
create table cs.timeline_activity_y2025m06 partition of cs.timeline_activity
    for values from ('2025-06-01 00:00:00+00') to ('2025-07-01 00:00:00+00');
create table cs.timeline_activity_default partition of cs.timeline_activity default;
create index timeline_activity_company_id_idx on cs.timeline_activity (company_id);
create index timeline_activity_author_id_idx on cs.timeline_activity (author_id);

create table cs.help_article (
    article_id uuid primary key,
    title text not null,
    body text not null,
    is_public boolean not null default false
);
comment on table cs.help_article is 'Help pages; public ones are read by visitors who have not signed in.';


-- What applications usually have besides tables -----------------------------------------------------------------------

create function cs.touch_updated_at() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    new.updated_at = pg_catalog.now();
    return new;
end;
$$;
comment on function cs.touch_updated_at() is 'Trigger: notes when a row was changed last.';

create trigger touch_updated_at
    before update on cs.company
    for each row execute function cs.touch_updated_at();
create trigger touch_updated_at
    before update on cs.call_to_action
    for each row execute function cs.touch_updated_at();

create view cs.cta_board
with (security_invoker = true) as
select t.cta_id, c.name as company, t.title, t.status, t.due_date, u.first_name || ' ' || u.last_name as owner
from cs.call_to_action as t
    join cs.company as c on c.company_id = t.company_id
    left join cs.app_user as u on u.user_id = t.owner_id;
comment on view cs.cta_board is 'The board of open work; runs as the one who asks, so it shows what they may see.';

create view cs.account_report as
select c.region, c.stage, count(*) as accounts, sum(c.arr) as arr
from cs.company as c
group by c.region, c.stage;
comment on view cs.account_report is 'Accounts and revenue by region and stage; runs as its owner.';
