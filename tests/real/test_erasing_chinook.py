"""Chinook: customers and employees are erased, and everything that stays is as it was, compared by full dump."""

from __future__ import annotations

from pathlib import Path

import pytest
from psycopg import sql

from pgerase.prove import Verdict
from tests.fix_database import FreshDatabase
from tests.real.conftest import HERE, Deployments
from tests.real.deployment import differences
from tests.real.erasing import Counts, Trial, by_sql, lines, residue
from tests.real.test_chinook import EVERYBODY, STRANGERS, TABLES

CUSTOMER = """
    update public.customer
    set first_name = 'Deleted', last_name = 'customer', company = null, address = null, city = null, state = null,
        postal_code = null, phone = null, fax = null, email = '<{key}>@erased.invalid'
    where customer_id = {key};
    update public.invoice
    set billing_address = null, billing_city = null, billing_state = null, billing_postal_code = null
    where customer_id = {key};
"""
EMPLOYEE = """
    update public.employee
    set first_name = 'Deleted', last_name = 'employee', title = null, birth_date = null,
        hire_date = make_timestamp(extract(year from hire_date)::integer, 1, 1, 0, 0, 0), address = null, city = null,
        state = null, postal_code = null, phone = null, fax = null, email = '<{key}>@erased.invalid'
    where employee_id = {key};
    update public.customer set support_rep_id = {heir} where support_rep_id = {key};
    update public.employee set reports_to = {heir} where reports_to = {key};
"""
TOTALS = """
    select (select count(*) from public.invoice), (select sum(total) from public.invoice),
        (select count(*) from public.invoice_line), (select sum(unit_price * quantity) from public.invoice_line),
        (select md5(string_agg(format('%s %s %s', customer_id, total, invoice_date), ',' order by invoice_id))
         from public.invoice)
"""


@pytest.fixture
def trial(deployments: Deployments, chinook_template: FreshDatabase, pg_programs: Path) -> Trial:
    deployed = deployments.deploy(chinook_template, HERE / "chinook", app="chinook", roles=("app",))
    copy = deployments.bare_database(chinook_template, "chinook.sql")
    return Trial(deployed, copy, pg_programs, "public")


def _customers(*keys: int) -> dict[tuple[str, str], str]:
    who = ", ".join(map(str, keys))
    return {
        ("public.customer", "change"): f"select customer_id from public.customer where customer_id in ({who})",
        ("public.invoice", "change"): f"select customer_id from public.invoice where customer_id in ({who})",
    }


def _employees(*keys: int) -> dict[tuple[str, str], str]:
    who = ", ".join(map(str, keys))
    return {
        ("public.customer", "reassign"): f"select support_rep_id from public.customer where support_rep_id in ({who})",
        ("public.employee", "change"): f"select employee_id from public.employee where employee_id in ({who})",
        ("public.employee", "reassign"): f"select reports_to from public.employee where reports_to in ({who})",
    }


def _identifiers(trial: Trial, table: str, *keys: int) -> list[str]:
    """E-mail, phone, fax, full name in both orders, and address line, from the copy."""
    query = f"""
        select unnest(array[email, phone, fax, first_name || ' ' || last_name, first_name || e'\\t' || last_name,
            last_name || e'\\t' || first_name, address])
        from public.{table} where {table}_id = any (%s)
    """
    found = [row[0] for row in trial.truth.execute(query.encode(), [list(keys)]) if row[0]]
    assert len(found) >= 6 * len(keys)
    return found


def _access(trial: Trial) -> list[str]:
    """Where what anybody may read or update is not what the expectations say of the copy."""
    return [
        line
        for table, key in TABLES.items()
        for line in differences(
            trial.deployment,
            trial.truth,
            sql.Identifier("public", table),
            key=key,
            expected=table,
            viewers=(*EVERYBODY, *STRANGERS),
        )
    ]


def test_customers_go_and_the_books_stay(trial: Trial):
    before = trial.dump()
    needles = _identifiers(trial, "customer", 1, 10, 57)
    assert len(residue(before, needles)) >= 4 * 3
    totals = trial.truth.execute(TOTALS).fetchone()

    for keys in ((1,), (10, 57)):
        wanted = by_sql(trial.truth, _customers(*keys))
        assert trial.erase("customer", *keys) == wanted
        for key in keys:
            trial.by_hand(CUSTOMER, key=key)
        assert trial.compare() == []

    after = trial.dump()
    assert after.rest == before.rest
    assert residue(after, needles) == []
    # By hand: a customer's line and seven invoices each, before and after; nothing else in the application.
    assert len(lines(before.of("public"), after.of("public"))) == 3 * 2 * 8
    assert trial.admin.execute(TOTALS).fetchone() == totals
    assert trial.broken_constraints() == []
    assert _access(trial) == []


def test_employees_go_and_their_customers_and_people_go_up(trial: Trial):
    # Somebody else has to be there who may do everything, or the general manager could not go.
    trial.prepare("update public.employee set title = 'General Manager' where employee_id = 6")
    before = trial.dump()
    needles = _identifiers(trial, "employee", 1, 2, 3)
    totals = trial.truth.execute(TOTALS).fetchone()

    for key, heir in ((3, "2"), (2, "1"), (1, "null")):
        wanted = by_sql(trial.truth, _employees(key))
        assert trial.erase("employee", key) == wanted
        trial.by_hand(EMPLOYEE, key=key, heir=heir)
        assert trial.compare() == []

    after = trial.dump()
    assert after.rest == before.rest
    assert residue(after, needles) == []
    assert trial.admin.execute(TOTALS).fetchone() == totals
    assert trial.admin.execute("select employee_id from public.employee where reports_to is null order by 1").fetchall() == [
        (1,), (2,), (3,), (4,), (5,), (6,)
    ]  # fmt: skip
    assert trial.broken_constraints() == []


def test_manager_and_report_in_one_request_go_past_one_another(trial: Trial):
    wanted = by_sql(trial.truth, _employees(2, 3))
    assert wanted[("public.customer", "reassign")] == (1, 21)
    assert trial.erase("employee", 2, 3) == wanted
    for key in (2, 3):
        trial.by_hand(EMPLOYEE, key=key, heir=1)
    assert trial.compare() == []
    # Whoever is erased looks after nobody; the general manager, who has their customers now, lost nobody.
    with trial.deployment.session("3") as connection:
        assert connection.execute("select count(*) from public.customer").fetchone() == (0,)
        assert connection.execute("select count(*) from public.invoice").fetchone() == (0,)
    with trial.deployment.session("1") as connection:
        assert connection.execute("select count(*) from public.customer").fetchone() == (59,)
    assert _access(trial) == []


@pytest.mark.parametrize(("subject", "keys"), [("customer", (1, 2)), ("employee", (3, 4))])
def test_a_second_erasure_changes_nothing(subject: str, keys: tuple[int, ...], trial: Trial):
    trial.erase(subject, *keys)
    before = trial.dump()
    again: Counts = trial.erase(subject, *keys)
    after = trial.dump()
    assert {strategy for _, strategy in again} <= {"keep"}
    assert lines(before.of("public"), after.of("public")) == []
    assert after.rest == before.rest


def test_an_erased_general_manager_is_no_super_admin_any_more(
    deployments: Deployments, chinook_template: FreshDatabase, tmp_path: Path, pg_programs: Path
):
    """Where the title stays, for a time: the ledger is the state of people without a lifecycle."""
    for file in (HERE / "chinook").glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        (tmp_path / file.name).write_text(
            text.replace(
                "purpose: employment, erase: clear}\n      birth", "purpose: employment, erase: keep}\n      birth"
            )
        )
    assert "title:       {kind: job, purpose: employment, erase: keep}" in (tmp_path / "data_map.yaml").read_text()
    deployed = deployments.deploy(chinook_template, tmp_path, app="chinook", roles=("app",))
    trial = Trial(deployed, deployments.bare_database(chinook_template, "chinook.sql"), pg_programs, "public")
    trial.prepare("update public.employee set title = 'General Manager' where employee_id = 6")
    trial.erase("employee", 1)
    assert trial.failures("employee", 6) == [("6", "ZE104")]


def test_an_erased_customer_is_proven_gone_and_before_was_found(trial: Trial):
    known = trial.admin.execute(
        "select email, first_name || ' ' || last_name, phone, address from public.customer where customer_id = 1"
    ).fetchone()
    assert known is not None
    identifiers = dict(zip(("email", "full_name", "phone", "address"), known, strict=True))
    assert trial.prove("customer", 1, identifiers).verdict is Verdict.FAIL
    trial.erase("customer", 1)
    report = trial.prove("customer", 1, identifiers)
    assert report.verdict is Verdict.CLEAN, [
        one for one in report.places if one.verdict in (Verdict.FAIL, Verdict.UNVERIFIED, Verdict.REVIEW)
    ]
