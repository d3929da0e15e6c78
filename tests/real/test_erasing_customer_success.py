"""U1 to U3 on the customer-success platform, with its access rules applied; every dump is compared with a copy changed by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pgerase.database import Database
from pgerase.errors import Refused
from pgerase.operate import Register, State, set_state, status
from pgerase.prove import Verdict
from tests.fix_database import FreshDatabase
from tests.real.conftest import Deployments, deploy_customer_success
from tests.real.deployment import Deployment, differences
from tests.real.erasing import Trial, by_sql, lines, residue
from tests.real.test_customer_success import CHARACTERISTIC, STRANGERS, TABLES

# What becomes of a person but for the open tasks, which each test says by hand. {key}: who; {heir}: the manager who stays, or null.
GONE = """
    update cs.app_user
    set status = 'ERASED', user_name = 'erased-<{key}>', first_name = 'Deleted', last_name = 'User',
        email = 'erased+<{key}>@erased.invalid', phone = null, birth_date = null, title = null, team_id = null,
        is_super_admin = false, last_login_at = null
    where user_id = {key};
    update cs.app_user set manager_id = {heir} where manager_id = {key};
    update cs.tenant set admin_id = null where admin_id = {key};
    delete from cs.territory_member where user_id = {key};
    delete from cs.sharing_group_member where user_id = {key};
    delete from cs.account_member where user_id = {key};
    update cs.company set pool_user_id = {heir} where pool_user_id = {key};
    update cs.relationship set lead_id = {heir} where lead_id = {key};
    update cs.timeline_activity set author_name = 'Deleted user' where author_id = {key};
"""
OPEN_TASKS = "update cs.call_to_action set owner_id = {heir}, handover = true where owner_id = {key} and status in ('Open', 'In Progress')"
TASKS_OF_COMPANIES = OPEN_TASKS + " and company_id = any (array[{companies}])"


@pytest.fixture(scope="module")
def first(deployments: Deployments, customer_success_template: FreshDatabase) -> tuple[Deployment, FreshDatabase]:
    """The deployment that all are copies of, and the one without pgerase."""
    copy = deployments.bare_database(customer_success_template, "customer_success.sql")
    return deploy_customer_success(deployments, customer_success_template), copy


@pytest.fixture
def trial(
    first: tuple[Deployment, FreshDatabase], copy_of: Callable[[FreshDatabase], FreshDatabase], pg_programs: Path
) -> Trial:
    deployed, bare = first
    return Trial(deployed.on(copy_of(deployed.database)), copy_of(bare), pg_programs, "cs")


def _counts(*keys: int) -> dict[tuple[str, str], str]:
    """Who has how many rows of which kind, in plain SQL."""
    who = f"({', '.join(map(str, keys))})"
    return {
        ("cs.app_user", "change"): f"select user_id from cs.app_user where user_id in {who}",
        ("cs.app_user", "reassign"): f"select manager_id from cs.app_user where manager_id in {who}",
        ("cs.tenant", "unlink"): f"select admin_id from cs.tenant where admin_id in {who}",
        ("cs.territory_member", "delete"): f"select user_id from cs.territory_member where user_id in {who}",
        ("cs.sharing_group_member", "delete"): f"select user_id from cs.sharing_group_member where user_id in {who}",
        ("cs.account_member", "delete"): f"select user_id from cs.account_member where user_id in {who}",
        ("cs.company", "reassign"): f"select pool_user_id from cs.company where pool_user_id in {who}",
        ("cs.relationship", "reassign"): f"select lead_id from cs.relationship where lead_id in {who}",
        ("cs.call_to_action", "reassign"): f"select owner_id from cs.call_to_action where owner_id in {who} and status <> 'Closed'",
        ("cs.call_to_action", "keep"): f"select owner_id from cs.call_to_action where owner_id in {who} and status = 'Closed'",
        ("cs.timeline_activity", "change"): f"select author_id from cs.timeline_activity where author_id in {who}",
    }  # fmt: skip


def _identifiers(connection: psycopg.Connection, *keys: int) -> list[str]:
    """E-mail, phone, user name as a column, full name as text and as columns."""
    query = """
        select unnest(array[email, phone, e'\t' || user_name || e'\t', first_name || ' ' || last_name,
            first_name || e'\t' || last_name])
        from cs.app_user where user_id = any (%s)
    """
    found = [row[0] for row in connection.execute(query, [list(keys)])]
    assert None not in found
    assert len(found) == 5 * len(keys)
    return found


def _erased(trial: Trial, *keys: int) -> None:
    """Erase people, with counts as the copy has them."""
    wanted = by_sql(trial.truth, _counts(*keys))
    assert trial.erase("employee", *keys) == wanted


def _tasks(trial: Trial, where: str) -> list[tuple]:
    return trial.admin.execute(
        f"select owner_id, handover, count(*) from cs.call_to_action where {where} group by 1, 2 order by 1, 2".encode()
    ).fetchall()


def _access(trial: Trial, viewers: tuple[str | None, ...]) -> list[str]:
    """Where what these may read or update is not what the expectations say of the copy."""
    return [
        line
        for table, key in TABLES.items()
        for line in differences(
            trial.deployment, trial.truth, sql.Identifier("cs", table), key=key, expected=table, viewers=viewers
        )
    ]


def _sees(trial: Trial, viewer: str) -> list[int]:
    """How many rows of each table somebody sees."""
    found: list[int] = []
    with trial.deployment.session(viewer) as connection:
        for table in TABLES:
            row = connection.execute(sql.SQL("select count(*) from {}").format(sql.Identifier("cs", table))).fetchone()
            assert row is not None
            found.append(row[0])
    return found


def test_u3_open_tasks_go_to_the_manager_closed_ones_stay(trial: Trial):
    before = trial.dump()
    needles = _identifiers(trial.truth, 1001)
    assert residue(before, needles) == [needle for needle in needles if needle in before.text]
    assert len(residue(before, needles)) == 5
    # By hand from the seed: of her eleven tasks three are closed.
    assert _tasks(trial, "owner_id = 1001 and status = 'Closed'") == [(1001, False, 3)]

    _erased(trial, 1001)
    trial.by_hand(GONE + OPEN_TASKS, key=1001, heir=111)

    assert trial.compare() == []
    after = trial.dump()
    assert after.rest == before.rest
    assert residue(after, needles) == []
    assert _tasks(trial, "owner_id = 1001") == [(1001, False, 3)]
    assert _tasks(trial, "owner_id = 111 and handover") == [(111, True, 8)]
    # Rows of hers: the person, eight open tasks, 68 activities, a relationship are changed; seven memberships are gone.
    assert len(lines(before.of("cs"), after.of("cs"))) == 2 * (1 + 8 + 68 + 1) + 7
    assert trial.broken_constraints() == []


def test_u2_activities_stay_and_read_deleted_user(trial: Trial):
    query = "select count(*), min(author_name), max(author_name) from cs.timeline_activity where author_id = 1001"
    assert trial.admin.execute(query).fetchone() == (68, "Carla Mendes", "Carla Mendes")
    trial.erase("employee", 1001)
    assert trial.admin.execute(query).fetchone() == (68, "Deleted user", "Deleted user")
    assert trial.admin.execute(
        "select distinct u.first_name || ' ' || u.last_name from cs.note as n join cs.app_user as u on u.user_id = n.author_id "
        "where n.author_id = 1001"
    ).fetchall() == [("Deleted User",)]
    # In all partitions that had some.
    assert trial.admin.execute(
        "select count(distinct tableoid) from cs.timeline_activity where author_id = 1001"
    ).fetchone() == (7,)


def test_u3_an_inactive_manager_is_climbed_past(trial: Trial):
    trial.prepare("update cs.app_user set status = 'INACTIVE', inactive_at = '2025-03-01Z' where user_id = 131")
    _erased(trial, 1023)
    # Celine's manager Marek is inactive; Dieter is above him. Of Ciaran the manager is erased: Dieter again.
    trial.by_hand(GONE + OPEN_TASKS, key=1023, heir=130)
    assert trial.compare() == []
    _erased(trial, 1024)
    trial.by_hand(GONE + OPEN_TASKS, key=1024, heir=130)
    assert trial.compare() == []
    assert _tasks(trial, "handover")[0][:2] == (130, True)
    assert trial.broken_constraints() == []


def test_u3_manager_and_report_in_one_request(trial: Trial):
    before = trial.dump()
    needles = _identifiers(trial.truth, 121, 1011)
    # Mona leads Caleb, Chloe, Connor and Kim; all her tasks, and Caleb's, are Dana's.
    _erased(trial, 121, 1011)
    for key in (121, 1011):
        trial.by_hand(GONE + OPEN_TASKS, key=key, heir=120)
    assert trial.compare() == []
    after = trial.dump()
    assert after.rest == before.rest
    assert residue(after, needles) == []
    assert trial.admin.execute(
        "select array_agg(user_id order by user_id) from cs.app_user where manager_id = 120"
    ).fetchone() == ([121, 202, 205, 206, 1011, 1012, 1013, 1014],)
    assert trial.broken_constraints() == []


def test_u3_without_a_manager_to_the_pool_else_to_the_super_admin(trial: Trial):
    # Of emea, one account has nobody who stands in, and one somebody who is inactive.
    trial.prepare(
        "update cs.company set pool_user_id = null where company_id = 29; "
        "update cs.company set pool_user_id = 1003 where company_id = 28"
    )
    # The partners' lead goes together with Pavel, who has a task on every account of emea, those of Borealis among them.
    _erased(trial, 301, 303)
    trial.by_hand(GONE, key=301, heir="null")
    trial.by_hand(GONE, key=303, heir="null")
    pool = "25, 26, 27, 30, 31, 32, 33, 34, 35, 36"
    trial.by_hand(TASKS_OF_COMPANIES, key=301, heir=203, companies=pool)
    trial.by_hand(TASKS_OF_COMPANIES, key=301, heir=900, companies="28, 29")
    trial.by_hand(TASKS_OF_COMPANIES, key=301, heir=590, companies="39, 40")
    assert trial.compare() == []
    # By hand: of fourteen tasks those of every third account are closed: 27, 30, 33, 36 and 39.
    assert _tasks(trial, "owner_id = 301") == [(301, False, 5)]
    assert _tasks(trial, "handover") == [(203, True, 6), (590, True, 1), (900, True, 2)]
    # The special mark is there until somebody takes the task over: whoever has it, or sees to all.
    with trial.deployment.session("900") as connection:
        taken = connection.execute(
            "update cs.call_to_action set owner_id = 1021, handover = false where owner_id = 900 and handover"
        )
        assert taken.rowcount == 2
    assert trial.broken_constraints() == []


def test_u3_with_nobody_left_a_task_waits_without_an_owner(trial: Trial):
    _erased(trial, 590)
    trial.by_hand(GONE + OPEN_TASKS, key=590, heir="null")
    assert trial.compare() == []
    # Paula has a task on every account of us-east; of Borealis nobody administers the tenant any more.
    _erased(trial, 302, 303)
    trial.by_hand(GONE, key=302, heir="null")
    trial.by_hand(GONE, key=303, heir="null")
    trial.by_hand(TASKS_OF_COMPANIES, key=302, heir="null", companies="37, 38")
    trial.by_hand(OPEN_TASKS, key=302, heir=900)
    assert trial.compare() == []
    assert _tasks(trial, "handover and owner_id is null") == [(None, True, 2)]
    assert trial.broken_constraints() == []


def test_u1_a_second_erasure_changes_nothing(trial: Trial):
    trial.erase("employee", 1001, 131)
    before = trial.dump()
    again = trial.erase("employee", 1001, 131)
    after = trial.dump()
    assert {strategy for _, strategy in again} <= {"keep"}
    assert lines(before.of("cs"), after.of("cs")) == []
    assert after.rest == before.rest


def test_u1_people_erased_before_pgerase_came_are_not_filled_again(trial: Trial):
    before = trial.dump()
    # Ciaran reports to 132, who was erased otherwise and whose open tasks nobody took: now they go up.
    assert ("cs.app_user", "change") not in trial.erase("employee", 132, 1025)
    for key, heir in ((132, 130), (1025, 131)):
        trial.by_hand(
            "update cs.app_user set manager_id = {heir} where manager_id = {key};"
            "delete from cs.account_member where user_id = {key};" + OPEN_TASKS,
            key=key,
            heir=heir,
        )
    # Task 406 is on an account of the other tenant, which the manager may not see: it goes to that tenant's super admin.
    trial.by_hand("update cs.call_to_action set owner_id = {heir} where cta_id = {key}", key=406, heir=590)
    assert trial.compare() == []
    assert trial.dump().rest == before.rest


def test_u1_inactive_and_back_and_never_back_from_erased(trial: Trial):
    with Database.open(trial.deployment.database.dsn()) as database:
        register = Register(database, trial.deployment.prefix)
        assert set_state(register, "employee", ["1001"], State.INACTIVE) == 1
        assert _sees(trial, "1001") == [0] * len(TABLES)
        assert trial.admin.execute(
            "select status, inactive_at is not null, user_name from cs.app_user where user_id = 1001"
        ).fetchone() == ("INACTIVE", True, "carla")
        assert set_state(register, "employee", ["1001"], State.ACTIVE) == 1
        assert trial.compare() == []
        set_state(register, "employee", ["1001"], State.INACTIVE)
        trial.erase("employee", 1001)
        assert [one.state for one in status(register, "employee", ["1001"])] == [State.ERASED]
        for state in (State.ACTIVE, State.INACTIVE):
            with pytest.raises(Refused):
                set_state(register, "employee", ["1001"], state)


def test_the_rules_hold_after_erasing(trial: Trial):
    """Whoever was erased sees nothing; everybody else what the expectations say of the copy, no row less."""
    gone = (1001, 121, 301, 303)
    _erased(trial, *gone)
    for key, heir in ((1001, "111"), (121, "120"), (301, "null"), (303, "null")):
        trial.by_hand(GONE, key=key, heir=heir)
    for key, heir in ((1001, 111), (121, 120)):
        trial.by_hand(OPEN_TASKS, key=key, heir=heir)
    trial.by_hand(TASKS_OF_COMPANIES, key=301, heir=590, companies="39, 40")
    trial.by_hand(OPEN_TASKS, key=301, heir=203)
    assert trial.compare() == []
    for key in gone:
        assert _sees(trial, str(key)) == [0] * len(TABLES)
    heirs = ("111", "120", "203", "590", "900")
    assert _access(trial, (*dict.fromkeys((*CHARACTERISTIC, *heirs)), *STRANGERS)) == []


def test_nobody_but_the_owner_erases(trial: Trial):
    for role in (*trial.deployment.roles.values(),):
        with (
            psycopg.connect(trial.deployment.database.dsn(role), autocommit=True) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(
                sql.SQL("select * from {}(array['1001'], array[repeat('a', 26)], array[false])").format(
                    sql.Identifier(f"{trial.deployment.prefix}_eraser", "erase_employee")
                )
            )


def test_an_erased_employee_is_proven_gone_and_before_was_found(trial: Trial):
    known = trial.admin.execute(
        "select email, user_name, first_name || ' ' || last_name from cs.app_user where user_id = 1001"
    ).fetchone()
    assert known is not None
    identifiers = dict(zip(("email", "user_name", "full_name"), known, strict=True))
    assert trial.prove("employee", 1001, identifiers).verdict is Verdict.FAIL
    trial.erase("employee", 1001)
    report = trial.prove("employee", 1001, identifiers)
    assert report.verdict is Verdict.CLEAN, [
        one for one in report.places if one.verdict in (Verdict.FAIL, Verdict.UNVERIFIED, Verdict.REVIEW)
    ]
