"""The shipped pack on its platform: for every viewer, table by table, against plain SQL; and writes, one by one (P1 to P8)."""

from __future__ import annotations

from typing import NamedTuple

import psycopg
import pytest
from psycopg import sql

from tests.real.deployment import NOBODY, Deployment, differences, outcome

TABLES = {
    "tenant": "tenant_id::text",
    "team": "team_id::text",
    "app_user": "user_id::text",
    "territory": "territory_id::text",
    "territory_member": "concat_ws('/', territory_id, user_id)",
    "sharing_group": "group_name",
    "sharing_group_member": "concat_ws('/', group_name, user_id)",
    "stage": "stage",
    "company": "company_id::text",
    "account_member": "concat_ws('/', company_id, user_id, role)",
    "relationship_type": "code",
    "relationship": "relationship_id::text",
    "call_to_action": "cta_id::text",
    "note": "note_id::text",
    "success_plan": "plan_id::text",
    "scorecard": "scorecard_id::text",
    "timeline_activity": "activity_id::text",
    "help_article": "article_id::text",
}
STRANGERS = (NOBODY, "424242", "-1", "abc", "99999999999999999999", "null")
"""Nobody, and identities that are presented but name no user: unknown, and not even a number."""

CHARACTERISTIC = (
    *("100", "110", "111", "130", "131"),  # the VP, directors, managers, one of them above an erased manager
    *(
        "1001",
        "1014",
        "1023",
        "1024",
        "1026",
    ),  # CSMs: Carla, a contractor, two memberships, reports to nobody left, no region
    *("201", "203", "205", "206"),  # specialists: renewals, operations, implementation, an account executive
    *("301", "303", "501"),  # a partner, the partner above, another tenant
    *("900", "590", "901", "1003", "1025"),  # super admins, an inactive one, an inactive and an erased CSM
    *(NOBODY, "424242", "abc"),
)
"""One of every kind, for the tables whose decisions go through several parents and take the database longest."""
DEEP = {"call_to_action", "note", "success_plan", "scorecard"}


@pytest.mark.parametrize("table", TABLES)
def test_p1_to_p8_every_viewer_reads_and_updates_what_plain_sql_says(
    table: str, customer_success: Deployment, customer_success_truth: psycopg.Connection
):
    viewers = [str(row[0]) for row in customer_success_truth.execute("select user_id from cs.app_user order by 1")]
    found = differences(
        customer_success,
        customer_success_truth,
        sql.Identifier("cs", table),
        key=TABLES[table],
        expected=table,
        viewers=CHARACTERISTIC if table in DEEP else [*viewers, *STRANGERS],
        role=customer_success.roles["web"],
    )
    assert found == []


@pytest.mark.parametrize("month", ["y2025m01", "y2025m06", "default"])
def test_p5_p12_a_partition_named_directly_shows_no_more_than_the_whole(
    month: str, customer_success: Deployment, customer_success_truth: psycopg.Connection
):
    leaf = f"timeline_activity_{month}"
    viewers = [str(row[0]) for row in customer_success_truth.execute("select user_id from cs.app_user order by 1")]
    for action in ("read", "update"):
        customer_success_truth.execute(
            f"create or replace view expected.{leaf}_{action} as "
            f"select * from expected.timeline_activity_{action} where key in (select activity_id::text from cs.{leaf})"
        )
    found = differences(
        customer_success,
        customer_success_truth,
        sql.Identifier("cs", leaf),
        key="activity_id::text",
        expected=leaf,
        viewers=[*viewers, *STRANGERS],
        role=customer_success.roles["web"],
        fewer=True,
    )
    assert found == []


@pytest.mark.parametrize(
    ("viewer", "companies", "ctas"),
    [
        # Counted by hand from seed.sql. Carla owns 1 to 3, helps with 11 and 25, and works on churn: 3, 9, 15, 19, 27, 34.
        # Six CTAs each, and five of her own on every seventh account.
        ("1001", {1, 2, 3, 9, 11, 15, 19, 25, 27, 34}, 65),
        # Pavel is on the teams of 25, 29 and 30, of which 30 is confidential; 253 and 293 are his.
        ("301", {25, 29}, 2),
        # Kim owns 20, which is confidential, and 21, and watches 22.
        ("1014", {21, 22}, 12),
        # Nadia's region is unknown: nothing but the account she owns.
        ("1026", {33}, 6),
        # Saskia administers Meridian, Birk Borealis.
        ("900", set(range(1, 37)), 216),
        ("590", {37, 38, 39, 40}, 24),
        # Ines and Stefan (a super admin) are inactive, 1025 is erased, 424242 nobody.
        ("1003", set(), 0),
        ("901", set(), 0),
        ("1025", set(), 0),
        ("424242", set(), 0),
        (NOBODY, set(), 0),
    ],
)
def test_p1_p6_p7_the_people_of_the_story_see_what_was_counted_by_hand(
    viewer: str | None, companies: set[int], ctas: int, customer_success: Deployment
):
    with customer_success.session(viewer) as connection:
        assert {row[0] for row in connection.execute("select company_id from cs.company")} == companies
        assert connection.execute("select count(*) from cs.call_to_action").fetchone() == (ctas,)


class Probe(NamedTuple):
    """A write by somebody, and what has to come of it: the number of rows, or a refusal."""

    viewer: str | None
    statement: str
    expected: str


def _insert_cta(company: int, relationship: int, owner: int) -> str:
    return (
        "insert into cs.call_to_action (cta_id, company_id, relationship_id, owner_id, title, reason) "
        f"values (90001, {company}, {relationship}, {owner}, 'New', 'risk')"
    )


def _insert_company(stage: str, region: str, tenant: int = 1) -> str:
    return (
        "insert into cs.company (company_id, tenant_id, name, stage, region, country_code) "
        f"values (90001, {tenant}, 'Newcomer', '{stage}', '{region}', 'US')"
    )


def _insert_activity(company: str, author: int, table: str = "timeline_activity") -> str:
    return (
        f"insert into cs.{table} (activity_id, occurred_at, company_id, author_id, kind, subject) "
        f"values (90001, '2025-03-10 12:00Z', {company}, {author}, 'call', 'New')"
    )


def _insert_user(tenant: int = 1) -> str:
    return (
        "insert into cs.app_user (user_id, tenant_id, user_name, first_name, last_name, email, is_super_admin) "
        f"values (90001, {tenant}, 'new', 'New', 'Comer', 'new@meridian.example', true)"
    )


def _insert_note(cta: int, author: int, state: str = "draft") -> str:
    return (
        f"insert into cs.note (note_id, cta_id, author_id, body, state) values (90001, {cta}, {author}, 'x', '{state}')"
    )


def _approve(plan: int, by: int, owner: int | None = None) -> str:
    handed_over = "" if owner is None else f"owner_id = {owner}, "
    return f"update cs.success_plan set {handed_over}status = 'active', approved_by = {by} where plan_id = {plan}"


def _insert_plan(owner: int) -> str:
    return (
        "insert into cs.success_plan (plan_id, company_id, relationship_id, owner_id, name) "
        f"values (90001, 1, 11, {owner}, 'New')"
    )


COMPANY = [
    # P4: an owner changes her account, a helper and the churn desk only read.
    Probe("1001", "update cs.company set arr = arr + 1 where company_id = 1", "1"),
    Probe("1001", "update cs.company set arr = arr + 1 where company_id = 11", "0"),
    Probe("1001", "update cs.company set arr = arr + 1 where company_id = 9", "0"),
    Probe("1001", "update cs.company set arr = arr + 1", "3"),
    Probe("1001", "update cs.company set region = 'emea' where company_id = 1", "1"),
    # P7: her manager does what she does; the manager next door does not.
    Probe("111", "update cs.company set arr = arr + 1 where company_id = 1", "1"),
    Probe("112", "update cs.company set arr = arr + 1 where company_id = 1", "0"),
    # Ines is inactive: nobody through her own session, but her manager keeps her account going.
    Probe("1003", "update cs.company set arr = arr + 1 where company_id = 7", "0"),
    Probe("111", "update cs.company set arr = arr + 1 where company_id = 7", "1"),
    # Ciaran reports to somebody who was erased; the director above still has what Ciaran has.
    Probe("130", "update cs.company set arr = arr + 1 where company_id = 31", "1"),
    # Nobody inherits from the erased CSM of 32.
    Probe("131", "update cs.company set arr = arr + 1 where company_id = 32", "0"),
    # Archived is frozen, for its owner and for super admins; archiving is not theirs either.
    Probe("1002", "update cs.company set arr = 1 where company_id = 12", "0"),
    Probe("900", "update cs.company set arr = 1 where company_id = 12", "0"),
    Probe("900", "update cs.company set stage = 'Archived' where company_id = 10", "refused"),
    # The tenant binds super admins: neither another's rows, nor giving one away.
    Probe("900", "update cs.company set arr = 1 where company_id = 37", "0"),
    Probe("590", "update cs.company set arr = 1 where company_id = 37", "1"),
    Probe("900", "update cs.company set tenant_id = 2 where company_id = 10", "refused"),
    Probe("1001", "update cs.company set arr = 1 where company_id = 38", "0"),
    # Outsiders and what is confidential: neither read nor made so.
    Probe("1014", "update cs.company set arr = 1 where company_id = 20", "0"),
    Probe("1014", "update cs.company set arr = 1 where company_id = 21", "1"),
    Probe("1014", "update cs.company set is_confidential = true where company_id = 21", "refused"),
    # Only an active super admin is one.
    Probe("901", "update cs.company set arr = 1 where company_id = 1", "0"),
    Probe(NOBODY, "update cs.company set arr = 1", "0"),
    # P4: opening an account is the account executive's, in his region, as a prospect.
    Probe("206", _insert_company("Prospect", "us-west"), "1"),
    Probe("206", _insert_company("Adopting", "us-west"), "refused"),
    Probe("206", _insert_company("Prospect", "emea"), "refused"),
    Probe("206", _insert_company("Prospect", "us-west", tenant=2), "refused"),
    Probe("120", _insert_company("Prospect", "us-west"), "1"),
    Probe("1001", _insert_company("Prospect", "us-east"), "refused"),
    Probe("900", _insert_company("Adopting", "emea"), "1"),
    Probe("900", _insert_company("Archived", "emea"), "refused"),
    Probe("901", _insert_company("Prospect", "us-west"), "refused"),
    Probe(NOBODY, _insert_company("Prospect", "us-west"), "refused"),
    # P4: deleting is another right again.
    Probe("110", "delete from cs.company where company_id = 10", "1"),
    Probe("110", "delete from cs.company where company_id = 1", "0"),
    Probe("1001", "delete from cs.company where company_id = 1", "0"),
    Probe("206", "delete from cs.company where company_id = 22", "0"),
    Probe("501", "delete from cs.company where company_id = 10", "0"),
]

CTA = [
    # 146 is Carla's, on an account she does not see otherwise.
    Probe("1001", "update cs.call_to_action set status = 'Closed' where cta_id = 146", "1"),
    Probe("1001", "update cs.call_to_action set owner_id = 1002 where cta_id = 146", "refused"),
    # On her own account she may hand work over, since she may change everything there.
    Probe("1001", "update cs.call_to_action set owner_id = 1004 where cta_id = 11", "1"),
    # P7: her manager hands it to another of her people, but not to somebody else's.
    Probe("111", "update cs.call_to_action set owner_id = 1002 where cta_id = 146", "1"),
    Probe("111", "update cs.call_to_action set owner_id = 1011 where cta_id = 146", "refused"),
    # One opens work on what one sees, for oneself; for others only where one may change the account.
    Probe("1001", _insert_cta(11, 111, 1001), "1"),
    Probe("1001", _insert_cta(13, 131, 1001), "refused"),
    Probe("1001", _insert_cta(11, 111, 1002), "refused"),
    Probe("1001", _insert_cta(1, 11, 1002), "1"),
    Probe("111", _insert_cta(11, 111, 1001), "1"),
    # The second parent binds too: a relationship of another tenant's account.
    Probe("1001", _insert_cta(1, 371, 1001), "refused"),
    # P6: partners see what they own, and change nothing.
    Probe("301", _insert_cta(29, 291, 301), "refused"),
    Probe("301", "update cs.call_to_action set status = 'Closed' where cta_id = 293", "0"),
    # P6: a contractor needs the account, whoever owns the CTA: 202 is of the confidential one.
    Probe("1014", "update cs.call_to_action set status = 'Closed' where cta_id = 211", "1"),
    Probe("1014", "update cs.call_to_action set status = 'Closed' where cta_id = 202", "0"),
    Probe("1014", "update cs.call_to_action set status = 'Closed' where cta_id = 221", "0"),
    # Requirements pass on: nothing under an archived account is changed.
    Probe("1002", "update cs.call_to_action set status = 'Closed' where cta_id = 121", "0"),
    Probe("900", "update cs.call_to_action set status = 'Closed' where cta_id = 121", "0"),
    Probe("1002", _insert_cta(12, 121, 1002), "refused"),
    # P5: through the relationship alone, which is led by Carla (152) or of Iris's type (182).
    Probe("1001", "update cs.call_to_action set priority = 'low' where cta_id = 155", "1"),
    Probe("205", "update cs.call_to_action set priority = 'low' where cta_id = 185", "1"),
    Probe("205", "update cs.call_to_action set priority = 'low' where cta_id = 181", "0"),
    # Deleting comes with the account; owning the CTA gives read and update only.
    Probe("1001", "delete from cs.call_to_action where cta_id = 12", "1"),
    Probe("1001", "delete from cs.call_to_action where cta_id = 146", "0"),
]

RELATIONSHIP = [
    Probe("1001", "update cs.relationship set name = 'x' where relationship_id = 152", "1"),
    Probe("1001", "update cs.relationship set name = 'x' where relationship_id = 151", "0"),
    Probe("205", "update cs.relationship set name = 'x' where relationship_id = 182", "1"),
    Probe("205", "update cs.relationship set type_code = 'subscription' where relationship_id = 182", "refused"),
    Probe("205", "update cs.relationship_type set label = 'x'", "1"),
    Probe("1001", "update cs.relationship_type set label = 'x'", "0"),
]

NOTE = [
    Probe("1002", _insert_note(11, 1002), "1"),
    Probe("1002", _insert_note(11, 1002, "final"), "refused"),
    Probe("1002", _insert_note(11, 1001), "refused"),
    Probe("1001", _insert_note(131, 1001), "refused"),
    # becomes: a draft is signed off by its author, once.
    Probe("1001", "update cs.note set state = 'final' where note_id = 9002", "1"),
    Probe("1001", "update cs.note set state = 'final' where note_id = 9001", "0"),
    Probe("1001", "update cs.note set body = 'x' where note_id = 9002", "1"),
    Probe("1001", "update cs.note set author_id = 1002 where note_id = 9002", "refused"),
    Probe("1012", "update cs.note set body = 'x' where note_id = 161", "0"),
    # hierarchy: false, and no right comes with the task.
    Probe("111", "update cs.note set body = 'x' where note_id = 9002", "0"),
    Probe("111", "delete from cs.note where note_id = 9002", "0"),
    Probe("1001", "delete from cs.note where note_id = 9002", "1"),
    Probe("590", "update cs.note set body = 'x' where note_id = 9002", "0"),
]

SUCCESS_PLAN = [
    # Plan 1 is a draft of Carla's, 2 active, 3 closed.
    Probe("1001", "update cs.success_plan set name = 'x' where plan_id = 1", "1"),
    Probe("1001", "update cs.success_plan set name = 'x' where plan_id = 2", "0"),
    Probe("1001", "update cs.success_plan set status = 'active', approved_by = 1001 where plan_id = 1", "refused"),
    Probe("1001", "update cs.success_plan set status = 'active', approved_by = 110 where plan_id = 1", "refused"),
    Probe("110", "update cs.success_plan set status = 'active', approved_by = 110 where plan_id = 1", "1"),
    Probe("110", "update cs.success_plan set status = 'active', approved_by = 100 where plan_id = 1", "refused"),
    # Dieter sees the draft of 1 and approves it, although he may not change the account.
    Probe("130", "update cs.success_plan set status = 'active', approved_by = 130 where plan_id = 1", "1"),
    Probe("130", "update cs.success_plan set status = 'closed' where plan_id = 1", "refused"),
    Probe("100", "update cs.success_plan set name = 'x' where plan_id = 2", "1"),
    Probe("900", "update cs.success_plan set name = 'x' where plan_id = 2", "0"),
    # Four eyes: handing the plan over in the statement that approves it makes nobody else of who approves. Carla may change
    # everything on her account, Mara and Saskia too; none of them approves.
    Probe("1001", _approve(1, by=1001, owner=1002), "refused"),
    Probe("111", _approve(1, by=111, owner=1002), "refused"),
    Probe("900", _approve(1, by=900), "refused"),
    # A director who approves somebody's draft may name another owner, but not himself.
    Probe("110", _approve(1, by=110, owner=1002), "1"),
    Probe("110", _approve(1, by=110, owner=110), "refused"),
    # Directors draw up plans of their own, and none in the name of their people.
    Probe("110", _insert_plan(110), "1"),
    Probe("110", _insert_plan(1001), "refused"),
    Probe("1001", _insert_plan(1001), "1"),
]

SCORECARD = [
    Probe("100", "update cs.scorecard set score = 50 where scorecard_id = 11", "1"),
    Probe("1001", "update cs.scorecard set score = 50 where scorecard_id = 11", "0"),
    Probe("203", "update cs.scorecard set score = 49", "0"),
]

ACTIVITY = [
    Probe("1001", _insert_activity("1", 1001), "1"),
    Probe("1001", _insert_activity("1", 1002), "1"),
    Probe("1001", _insert_activity("11", 1002), "refused"),
    Probe("1001", _insert_activity("37", 1001), "refused"),
    # The lookup has no constraint: without an account, or with one that does not exist, there is no tenant.
    Probe("1001", _insert_activity("null", 1001), "refused"),
    Probe("1001", _insert_activity("999", 1001), "refused"),
    # Aimed at a partition, and moved from one to another.
    Probe("1001", _insert_activity("11", 1002, "timeline_activity_y2025m03"), "refused"),
    Probe("1001", "update cs.timeline_activity set occurred_at = '2025-06-20Z' where activity_id = 40", "1"),
    Probe("1001", "update cs.timeline_activity set company_id = 999 where activity_id = 40", "refused"),
    Probe("1001", "delete from cs.timeline_activity where activity_id in (401, 402)", "0"),
    Probe("111", "delete from cs.timeline_activity where activity_id = 40", "1"),
]

PEOPLE = [
    Probe("1001", "update cs.app_user set phone = '1' where user_id = 1001", "1"),
    Probe("1001", "update cs.app_user set phone = '1' where user_id = 1002", "0"),
    Probe("111", "update cs.app_user set phone = '1' where user_id = 1001", "0"),
    # Nobody makes himself super admin, a manager, of another region, title, kind, tenant, team or status.
    Probe("1001", "update cs.app_user set is_super_admin = true where user_id = 1001", "refused"),
    Probe("1001", "update cs.app_user set manager_id = null where user_id = 1001", "refused"),
    Probe("1001", "update cs.app_user set region = 'emea' where user_id = 1001", "refused"),
    Probe("1001", "update cs.app_user set title = 'CS Operations' where user_id = 1001", "refused"),
    Probe("1014", "update cs.app_user set kind = 'employee' where user_id = 1014", "refused"),
    Probe("301", "update cs.app_user set user_type = 'internal' where user_id = 301", "refused"),
    Probe("1001", "update cs.app_user set tenant_id = 2 where user_id = 1001", "refused"),
    Probe("1001", "update cs.app_user set team_id = 3 where user_id = 1001", "refused"),
    Probe("202", "update cs.app_user set products = '{surveys}' where user_id = 202", "refused"),
    Probe("1001", "update cs.app_user set user_id = 90001 where user_id = 1001", "refused"),
    Probe("1001", "update cs.app_user set status = 'INACTIVE' where user_id = 1001", "refused"),
    Probe("1001", _insert_user(), "refused"),
    Probe("1001", "delete from cs.app_user where user_id = 1001", "0"),
    # Operations move people, but not themselves, no super admin, and no other column that decides.
    Probe("203", "update cs.app_user set region = 'emea' where user_id = 1001", "1"),
    Probe("203", "update cs.app_user set title = 'Senior CSM' where user_id = 1001", "1"),
    Probe("203", "update cs.app_user set title = 'CS Director' where user_id = 203", "0"),
    # Nor through somebody who reports to him: Sam's rights would be his.
    Probe("203", "update cs.app_user set title = 'CS Manager' where user_id = 204", "0"),
    Probe("203", "update cs.app_user set manager_id = 203 where user_id = 1001", "refused"),
    Probe("203", "update cs.app_user set is_super_admin = true where user_id = 1001", "refused"),
    Probe("203", "update cs.app_user set phone = '1' where user_id = 900", "0"),
    Probe("203", "update cs.app_user set region = 'emea' where user_id = 502", "0"),
    # Super admins do, within their tenant.
    Probe("900", "update cs.app_user set is_super_admin = true where user_id = 100", "1"),
    Probe("900", _insert_user(), "1"),
    Probe("900", _insert_user(tenant=2), "refused"),
    Probe("900", "update cs.app_user set tenant_id = 2 where user_id = 1001", "refused"),
]

GROUPS = [
    # P8: members by hand, by whoever keeps the group; its managers above do not.
    Probe("203", "insert into cs.sharing_group_member values ('churn_council', 1001)", "1"),
    Probe("203", "delete from cs.sharing_group_member where group_name = 'churn_council'", "2"),
    Probe("100", "insert into cs.sharing_group_member values ('churn_council', 1001)", "refused"),
    Probe("1001", "insert into cs.sharing_group_member values ('churn_council', 1001)", "refused"),
    Probe("203", "insert into cs.sharing_group_member values ('churn_council', 502)", "refused"),
    Probe("203", "update cs.sharing_group set description = 'x' where group_name = 'churn_council'", "1"),
    Probe("203", "update cs.sharing_group set owner_id = 1001 where group_name = 'churn_council'", "refused"),
    # Account teams: a manager staffs the accounts of her people; owners would like to.
    Probe("111", "insert into cs.account_member values (1, 1002, 'observer')", "1"),
    Probe("111", "delete from cs.account_member where company_id = 1 and user_id = 302", "1"),
    Probe("111", "insert into cs.account_member values (8, 111, 'owner')", "refused"),
    Probe("111", "insert into cs.account_member values (13, 111, 'owner')", "refused"),
    Probe("111", "update cs.account_member set role = 'owner' where company_id = 1", "0"),
    Probe("1001", "insert into cs.account_member values (1, 1001, 'executive')", "refused"),
    Probe("1001", "insert into cs.account_member values (13, 1001, 'owner')", "refused"),
    Probe("1001", "update cs.account_member set role = 'owner' where company_id = 11 and user_id = 1001", "0"),
    Probe("1001", "delete from cs.account_member where company_id = 1", "0"),
    # Territories are the super admins'.
    Probe("1023", "insert into cs.territory_member values (1, 1023)", "refused"),
    Probe("900", "insert into cs.territory_member values (1, 1023)", "1"),
    Probe("900", "insert into cs.territory_member values (1, 502)", "refused"),
    Probe("1023", "update cs.territory set parent_id = 6", "0"),
    Probe("900", "update cs.territory set parent_id = 6 where territory_id = 7", "1"),
    # "Everyone reads" is not "everyone writes".
    Probe("1001", "insert into cs.stage values ('Mine', 99)", "refused"),
    Probe("900", "insert into cs.stage values ('New', 99)", "1"),
    Probe("1001", "update cs.help_article set is_public = true", "0"),
]


def _name(probe: Probe) -> str:
    return f"{probe.viewer}: {probe.statement}"[:90]


@pytest.mark.parametrize(
    "probe",
    [*COMPANY, *CTA, *RELATIONSHIP, *NOTE, *SUCCESS_PLAN, *SCORECARD, *ACTIVITY, *PEOPLE, *GROUPS],
    ids=_name,
)
def test_p3_to_p8_a_write_is_done_passed_over_or_refused(probe: Probe, customer_success: Deployment):
    assert outcome(customer_success, probe.viewer, probe.statement) == probe.expected


@pytest.mark.parametrize(
    "statement",
    ["update cs.success_plan set owner_id = 1002 where plan_id = 90001", _approve(90001, by=110, owner=1002)],
)
def test_four_eyes_a_director_neither_hands_his_plan_over_nor_approves_it_by_doing_so(
    statement: str, customer_success: Deployment
):
    with customer_success.session("110", customer_success.roles["web"]) as connection:
        assert connection.execute(_insert_plan(110)).rowcount == 1
        assert connection.execute(statement.encode()).rowcount == 0
        # The VP, who is somebody else, approves it.
        customer_success.become(connection, "100")
        assert connection.execute(_approve(90001, by=100).encode()).rowcount == 1


@pytest.mark.parametrize(
    "statement",
    [
        "update cs.app_user set is_super_admin = set_config('role', '{other}', true) is not null where user_id = 1001",
        "update cs.app_user set is_super_admin = true where user_id = 1001 returning set_config('role', '{other}', true)",
    ],
)
def test_p8_another_role_of_the_login_is_no_way_around_a_guard(statement: str, customer_success: Deployment):
    database = customer_success.database
    other, web = database.role(f"other_{len(statement)}"), customer_success.roles["web"]
    with database.connect_admin() as connection:
        connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(other), sql.Identifier(web)))
    assert outcome(customer_success, "1001", statement.format(other=other), role=web) == "refused"


def test_p8_temporary_types_come_last_in_guards(customer_success: Deployment):
    with customer_success.session("1001", customer_success.roles["web"]) as connection:
        path = connection.execute(
            "select distinct p.proconfig from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid "
            "where t.tgname = %s",
            [f"{customer_success.prefix}_guard"],
        ).fetchall()
    assert path == [(["search_path=pg_catalog, pg_temp"],)]


def test_visitors_without_a_person_read_what_is_public_and_nothing_else(customer_success: Deployment):
    visitor = customer_success.roles["visitor"]
    with customer_success.session(NOBODY, visitor) as connection:
        assert connection.execute("select title from cs.help_article order by title").fetchall() == [
            ("Signing in",),
            ("What a CTA is",),
        ]
    # The rule is for that login, and for a session that presents nobody at all.
    with customer_success.session(NOBODY, customer_success.roles["web"]) as connection:
        assert connection.execute("select title from cs.help_article").fetchall() == []
    with customer_success.session("424242", visitor) as connection:
        assert connection.execute("select title from cs.help_article").fetchall() == []


def test_the_nightly_service_reads_everything(customer_success: Deployment):
    with customer_success.session(NOBODY, customer_success.roles["etl"]) as connection:
        assert connection.execute("select count(*) from cs.company").fetchone() == (40,)
        assert connection.execute("select count(*) from cs.timeline_activity").fetchone() == (403,)
        assert connection.execute("select count(*) from cs.timeline_activity_y2025m01").fetchone() == (66,)


def test_a_second_plan_is_empty(customer_success: Deployment):
    plan = customer_success.plan()
    assert plan.pending == ()
