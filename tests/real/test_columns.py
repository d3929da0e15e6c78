"""Rights on columns of the shipped platform: C4 as it ships, and S6 and P12 with hidden columns added to it."""

from __future__ import annotations

import shutil

import psycopg
import pytest

from tests.fix_database import FreshDatabase
from tests.real.conftest import CUSTOMER_SUCCESS, Deployments, deploy_customer_success
from tests.real.deployment import Deployment, outcome

CARLA, MARA, PAVEL, SASKIA, DIRECTOR = "1001", "111", "301", "900", "100"
OPERATIONS = (
    "select user_id::text from cs.app_user where title = 'CS Operations' and status = 'ACTIVE' order by 1 limit 1"
)


def test_c4_nobody_edits_another_persons_personal_details(customer_success: Deployment):
    with customer_success.database.connect_admin() as admin:
        (operations,) = admin.execute(OPERATIONS).fetchone()
    for column, value in (
        ("phone", "'+1'"),
        ("email", "'x@example.org'"),
        ("last_name", "'X'"),
        ("birth_date", "null"),
    ):
        change = f"update cs.app_user set {column} = {value} where user_id = "
        assert outcome(customer_success, CARLA, change + CARLA) == "1", column
        assert outcome(customer_success, operations, change + CARLA) == "refused", column
        assert outcome(customer_success, SASKIA, change + CARLA) == "refused", column
    # Role and type may be reassigned.
    moved = f"update cs.app_user set region = 'emea', title = 'CSM' where user_id = {CARLA}"
    assert outcome(customer_success, operations, moved) == "1"


_COMPANY = """
    columns:
      arr: {read: {title: {in: [CS Director, VP Customer Success]}}}
      name: {read: {rows: {company_id: {in: {viewer: accounts}}}}, mask: a customer}
  account_member:
"""
_CTA = """
    columns:
      notes: {read: {rows: {company_id: {can: update}}}, mask: "(hidden)"}
  note:
"""
_SEEN = """
acknowledge:
  - {masked_table: cs.company, because: read through csp.company}
  - {masked_table: cs.call_to_action, because: likewise}
"""


@pytest.fixture(scope="module")
def masked(
    deployments: Deployments, customer_success_template: FreshDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Deployment:
    pack = tmp_path_factory.mktemp("masked") / "pack"
    shutil.copytree(CUSTOMER_SUCCESS, pack)
    access = (pack / "access.yaml").read_text(encoding="utf-8")
    for columns, before in ((_COMPANY, "\n  account_member:\n"), (_CTA, "\n  note:\n")):
        assert access.count(before) == 1
        access = access.replace(before, columns)
    (pack / "access.yaml").write_text(access, encoding="utf-8")
    settings = (pack / "pack.yaml").read_text(encoding="utf-8")
    (pack / "pack.yaml").write_text(settings.replace("\nacknowledge:\n", _SEEN), encoding="utf-8")
    return deploy_customer_success(deployments, customer_success_template, pack)


def fetched(deployment: Deployment, viewer: str | None, statement: str, role: str = "web") -> list[tuple]:
    with deployment.session(viewer, deployment.roles[role]) as connection:
        return connection.execute(statement.replace("{P}", deployment.prefix)).fetchall()


@pytest.mark.parametrize("role", ["web", "reporting"])
def test_s6_who_may_not_read_a_column_gets_masks_and_never_the_value(role: str, masked: Deployment):
    companies = "select company_id, name, arr from {P}.company order by 1"
    mine = fetched(masked, CARLA, companies, role)
    assert [key for key, _, _ in mine] == [1, 2, 3, 9, 11, 15, 19, 25, 27, 34]
    assert {arr for _, _, arr in mine} == {None}
    # Accounts she is a member of, in whatever part, have names; the others are customers.
    with masked.database.connect_admin() as admin:
        members = {row[0] for row in admin.execute("select company_id from cs.account_member where user_id = 1001")}
        truth = dict(admin.execute("select company_id, name from cs.company").fetchall())
        total = admin.execute("select sum(arr) from cs.company where company_id <= 36").fetchone()
    assert {key: name for key, name, _ in mine} == {
        key: truth[key] if key in members else "a customer" for key, _, _ in mine
    }
    # A director reads what her company brings, a super admin without the title does not.
    assert fetched(masked, DIRECTOR, "select sum(arr) from {P}.company", role) == [total]
    assert fetched(masked, SASKIA, "select sum(arr), count(*) from {P}.company", role) == [(None, 36)]
    for statement in ("select arr from cs.company", "select * from cs.company", "select avg(arr) from cs.company"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            fetched(masked, CARLA, statement, role)


def test_s6_a_right_that_asks_for_another_decision_is_asked_row_by_row(masked: Deployment):
    # Carla may change companies 1, 2 and 3: of their work she reads the notes.
    shown = fetched(
        masked, CARLA, "select distinct company_id from {P}.call_to_action where notes is distinct from '(hidden)'"
    )
    assert {key for (key,) in shown} == {1, 2, 3}
    assert len(fetched(masked, CARLA, "select 1 from {P}.call_to_action where notes = '(hidden)'")) > 10


def test_p12_the_masked_view_has_exactly_the_rows_of_the_table(masked: Deployment):
    for viewer in (CARLA, MARA, PAVEL, SASKIA, DIRECTOR, "1013", "205", "502", "1003", "424242", None):
        for table, key in (("company", "company_id"), ("call_to_action", "cta_id")):
            of_table = fetched(masked, viewer, f"select {key} from cs.{table} order by 1")
            assert fetched(masked, viewer, f"select {key} from {{P}}.{table} order by 1") == of_table, (viewer, table)


def test_p12_a_function_in_the_question_is_shown_no_other_row_and_no_hidden_value(masked: Deployment):
    with masked.session(CARLA) as connection:
        connection.execute(
            """
            create function pg_temp.tell(p_what text) returns boolean language plpgsql cost 0.0000001 as $$
            begin
                raise notice 'saw %', p_what;
                return true;
            end;
            $$
            """
        )
        told: set[str] = set()
        connection.add_notice_handler(lambda diagnostic: told.add(diagnostic.message_primary or ""))
        statement = f"select 1 from {masked.prefix}.company where pg_temp.tell(company_id || name || coalesce(arr, -1))"
        assert len(connection.execute(statement).fetchall()) == 10
    assert len(told) == 10
    assert all(saw.endswith("-1") for saw in told)
    keys = {int("".join(letter for letter in saw[4:7] if letter.isdigit())) for saw in told}
    assert keys == {1, 2, 3, 9, 11, 15, 19, 25, 27, 34}


def test_the_masked_view_is_inlined_so_that_indexes_serve(masked: Deployment):
    with masked.session(SASKIA) as connection:
        statement = f"explain select * from {masked.prefix}.company order by company_id limit 5"
        plan = "\n".join(line for (line,) in connection.execute(statement).fetchall())
    assert "on company r" in plan
    assert "Subquery Scan" not in plan
