"""Pagila: rentals and payments stay, an address goes with the last who needs it, compared by full dump."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg import sql

from pgerase.prove import Verdict
from tests.fix_database import FreshDatabase
from tests.real.conftest import HERE, Deployments
from tests.real.deployment import Deployment, differences
from tests.real.erasing import Counts, Trial, by_sql, counted, lines, residue
from tests.real.test_pagila import CLERK, MANAGER, STRANGERS, TABLES

# Address 0 stands for no address. Customer 1 lives alone, 2 and 3 together, 4 where a store is, 5 with staff 2, 6 and 7
# together; 8 and staff 3 have nothing but address 0 any more.
PREPARED = """
    insert into public.address (address_id, address, address2, district, city_id, postal_code, phone) values
        (0, '', null, '', 1, null, ''),
        (9001, '1 Alone Street', 'left', 'Northend', 1, 'N1 9AL', '555 9001'),
        (9002, '2 Couple Street', null, 'Northend', 1, '90002', '555 9002'),
        (9003, '3 Store Street', null, 'Northend', 1, '90003', '555 9003'),
        (9004, '4 Staff Street', null, 'Northend', 1, '90004', '555 9004'),
        (9005, '5 Friends Street', null, 'Northend', 1, '90005', '555 9005');
    update public.customer set address_id = 9001 where customer_id = 1;
    update public.customer set address_id = 9002 where customer_id in (2, 3);
    update public.customer set address_id = 9003 where customer_id = 4;
    update public.store set address_id = 9003 where store_id = 7;
    update public.customer set address_id = 9004 where customer_id = 5;
    update public.staff set address_id = 9004 where staff_id = 2;
    update public.customer set address_id = 9005 where customer_id in (6, 7);
    update public.customer set address_id = 0 where customer_id = 8;
    update public.staff set address_id = 0 where staff_id = 3;
"""
CUSTOMER = """
    update public.customer
    set first_name = 'Deleted', last_name = 'customer', email = null, address_id = 0
    where customer_id = {key};
"""
STAFF = """
    update public.staff
    set first_name = 'Deleted', last_name = 'employee', email = null, username = 'erased-<{key}>', password = null,
        picture = null, active = false, address_id = 0
    where staff_id = {key};
"""
ADDRESS = "delete from public.address where address_id = {address};"
BOOKS = """
    select (select count(*) from public.rental), (select count(*) from public.payment), (select sum(amount) from public.payment),
        (select md5(string_agg(format('%s %s %s', rental_id, customer_id, staff_id), ',' order by rental_id)) from public.rental),
        (select md5(string_agg(format('%s %s %s %s %s', tableoid::regclass, payment_id, customer_id, staff_id, amount), ','
            order by payment_id, payment_date)) from public.payment)
"""
NEUTRAL = "select count(*) from public.address where address_id = 0"


@pytest.fixture(scope="module")
def first(deployments: Deployments, pagila_template: FreshDatabase) -> tuple[Deployment, FreshDatabase]:
    """The deployment that all are copies of, and the one without pgerase."""
    deployed = deployments.deploy(pagila_template, HERE / "pagila", app="pagila", roles=("app",))
    return deployed, deployments.bare_database(pagila_template, "pagila.sql")


@pytest.fixture
def trial(
    first: tuple[Deployment, FreshDatabase], copy_of: Callable[[FreshDatabase], FreshDatabase], pg_programs: Path
) -> Trial:
    deployed, bare = first
    made = Trial(deployed.on(copy_of(deployed.database)), copy_of(bare), pg_programs, "public")
    made.prepare(PREPARED)
    return made


def _addresses(trial: Trial) -> list[int]:
    query = "select address_id from public.address where address_id in (0, 9001, 9002, 9003, 9004, 9005) order by 1"
    return [row[0] for row in trial.admin.execute(query)]


def _step(trial: Trial, subject: str, keys: tuple[int, ...], counts: Counts, gone: tuple[int, ...]) -> None:
    """Erase, with counts known by hand, and compare with what one would have done by hand."""
    assert trial.erase(subject, *keys) == counts
    for key in keys:
        trial.by_hand(CUSTOMER if subject == "customer" else STAFF, key=key)
    for address in gone:
        trial.by_hand(ADDRESS, address=address)
    assert trial.compare() == []


def _people(table: str, people: int = 1) -> Counts:
    return {(f"public.{table}", "change"): (people, people)}


GOES: Counts = {("public.address", "delete"): (1, 1)}
STAYS: Counts = {("public.address", "keep"): (1, 1)}


def test_addresses_go_with_the_last_who_needs_them(trial: Trial):
    before = trial.dump()
    needles = [
        "MARY.SMITH@sakilacustomer.org",
        "MARY\tSMITH",
        "mclaughlin3045@kleinwisokyandswaniawski.com",
        "gaston.wuckert",
        "Lavone\tO'Reilly",
        "1 Alone Street",
        "N1 9AL",
        "555 9001",
        "2 Couple Street",
        "555 9002",
        "4 Staff Street",
        "5 Friends Street",
    ]
    assert residue(before, needles) == needles
    books = trial.truth.execute(BOOKS).fetchone()
    months = "select count(distinct tableoid) from public.payment where customer_id = 1"
    assert trial.truth.execute(months).fetchone() == (7,)

    _step(trial, "customer", (1,), _people("customer") | GOES, (9001,))
    _step(trial, "customer", (2,), _people("customer") | STAYS, ())
    _step(trial, "customer", (3,), _people("customer") | GOES, (9002,))
    _step(trial, "customer", (4,), _people("customer") | STAYS, ())
    _step(trial, "customer", (5,), _people("customer") | STAYS, ())
    _step(trial, "staff", (2,), _people("staff") | GOES, (9004,))
    # It goes with the last of the request who has it, and is kept for whoever comes before, as in two requests.
    _step(trial, "customer", (6, 7), _people("customer", 2) | STAYS | GOES, (9005,))
    assert _addresses(trial) == [0, 9003]

    after = trial.dump()
    assert after.rest == before.rest
    assert residue(after, needles) == []
    assert trial.admin.execute(BOOKS).fetchone() == books
    assert trial.admin.execute(months).fetchone() == (7,)
    assert trial.broken_constraints() == []


def test_the_neutral_address_is_nobodys(trial: Trial):
    _step(trial, "customer", (8,), _people("customer"), ())
    _step(trial, "staff", (3,), _people("staff"), ())
    assert trial.admin.execute(NEUTRAL).fetchone() == (1,)


def test_a_second_erasure_changes_nothing(trial: Trial):
    trial.erase("customer", 1, 2, 4)
    trial.erase("staff", 2)
    before = trial.dump()
    again = trial.erase("customer", 1, 2, 4) | trial.erase("staff", 2)
    after = trial.dump()
    assert {strategy for _, strategy in again} <= {"keep"}
    assert lines(before.of("public"), after.of("public")) == []
    assert after.rest == before.rest
    assert trial.admin.execute(NEUTRAL).fetchone() == (1,)


def test_without_the_neutral_address_the_dry_run_says_so_and_nothing_is_changed(
    deployments: Deployments, pagila_template: FreshDatabase, pg_programs: Path
):
    deployed = deployments.deploy(pagila_template, HERE / "pagila", app="pagila", roles=("app",))
    trial = Trial(deployed, deployments.bare_database(pagila_template, "pagila.sql"), pg_programs, "public")
    planned, done = trial.tried("customer", 1)
    assert counted(planned.counts)[("public.customer", "violates customer_address_id_fkey")] == (1, 1)
    assert [(one.key, one.sqlstate, one.constraint) for one in done.failures] == [
        ("1", "23503", "customer_address_id_fkey")
    ]
    assert trial.compare() == []


def test_totals_are_those_of_plain_sql(trial: Trial):
    """Somebody with much in the books, at an address of others: only the row itself is the person's alone."""
    wanted = by_sql(
        trial.truth, {("public.customer", "change"): "select customer_id from public.customer where customer_id = 148"}
    )
    query = "select count(*), sum(amount) from public.payment where customer_id = 148"
    paid = trial.truth.execute(query).fetchone()
    done = trial.erase("customer", 148)
    assert {which: count for which, count in done.items() if which[0] != "public.address"} == wanted
    assert trial.admin.execute(query).fetchone() == paid


def test_the_rules_hold_after_erasing(trial: Trial):
    _step(trial, "customer", (1,), _people("customer") | GOES, (9001,))
    _step(trial, "staff", (2,), _people("staff") | STAYS, ())
    with trial.deployment.session("2") as connection:
        for table in TABLES:
            row = connection.execute(sql.SQL("select count(*) from public.{}").format(sql.Identifier(table))).fetchone()
            assert row == (0,), table
    found = [
        line
        for table, key in TABLES.items()
        for line in differences(
            trial.deployment,
            trial.truth,
            sql.Identifier("public", table),
            key=key,
            expected=table,
            viewers=(MANAGER, CLERK, "2", "3", "7", "27", *STRANGERS),
        )
    ]
    assert found == []


def test_an_erased_customer_is_proven_gone_and_before_was_found(trial: Trial):
    # It was never filled, so nobody could look into it.
    trial.admin.execute("refresh materialized view public.rental_by_category")
    known = trial.admin.execute(
        "select c.email, c.first_name || ' ' || c.last_name, a.address, a.phone from public.customer as c"
        " join public.address as a using (address_id) where c.customer_id = 1"
    ).fetchone()
    assert known is not None
    identifiers = dict(zip(("email", "full_name", "address", "phone"), known, strict=True))
    assert trial.prove("customer", 1, identifiers).verdict is Verdict.FAIL
    trial.erase("customer", 1)
    report = trial.prove("customer", 1, identifiers)
    assert report.verdict is Verdict.CLEAN, [
        one for one in report.places if one.verdict in (Verdict.FAIL, Verdict.UNVERIFIED, Verdict.REVIEW)
    ]
