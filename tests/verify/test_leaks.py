"""What docs/identity.md says can be told all the same, by whoever can run SQL as the application's login: measured, not believed.

A test that fails here means that PostgreSQL, or a change of ours, shut a leak: then the document has to say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest

from tests.verify.conftest import Site

ALL_ACCOUNTS = 48


@pytest.fixture
def session(shop: Site) -> Iterator[psycopg.Connection]:
    """A transaction of the application's login; rolled back."""
    with psycopg.connect(shop.database.dsn(shop.roles["web"])) as connection:
        yield connection
        connection.rollback()


def become(session: psycopg.Connection, shop: Site, person: int) -> None:
    session.execute(f"select {shop.prefix}.become(%s)".encode(), [str(person)])


@pytest.mark.parametrize(("table", "person", "keeps_all"), [("shop.task", 4, True), ("shop.account", 6, False)])
def test_a_cursor_that_is_open_while_the_person_changes_is_judged_partly_for_the_one_and_partly_for_the_other(
    table: str, person: int, keeps_all: bool, session: psycopg.Connection, shop: Site
):
    become(session, shop, person)
    own = session.execute(f"select id from {table}".encode()).fetchall()
    for name in ("begun", "untouched"):
        session.execute(f"declare {name} cursor for select id from {table}".encode())
    first = session.execute("fetch 1 from begun").fetchall()
    # Inactive: sees nothing.
    become(session, shop, 8)
    assert session.execute(f"select id from {table}".encode()).fetchall() == []
    assert first + session.execute("fetch all from begun").fetchall() == (own if keeps_all else first)
    assert len(own) > 1
    # Whose a cursor is is asked from its first row on, not when it is declared.
    assert session.execute("fetch all from untouched").fetchall() == []


def test_a_held_cursor_outlives_its_transaction(session: psycopg.Connection, shop: Site):
    become(session, shop, 6)
    own = session.execute("select id from shop.account").fetchall()
    session.execute("declare held cursor with hold for select id from shop.account")
    session.commit()
    become(session, shop, 8)
    assert session.execute("fetch all from held").fetchall() == own
    session.execute("close all")


def test_explain_analyze_counts_the_rows_that_policies_removed(session: psycopg.Connection, shop: Site):
    become(session, shop, 2)
    (seen,) = session.execute("select count(*) from shop.account").fetchone() or (None,)
    plan = "\n".join(row[0] for row in session.execute("explain analyze select * from shop.account"))
    removed = sum(int(count) for count in re.findall(r"Rows Removed by Filter: (\d+)", plan))
    assert seen < ALL_ACCOUNTS <= seen + removed


def test_statistics_count_all_rows(session: psycopg.Connection, shop: Site):
    shop.admin("analyze shop.account")
    live, inserted = session.execute(
        "select n_live_tup, n_tup_ins from pg_catalog.pg_stat_user_tables where relid = 'shop.account'::regclass"
    ).fetchone() or (None, None)
    (planned,) = session.execute(
        "select reltuples from pg_catalog.pg_class where oid = 'shop.account'::regclass"
    ).fetchone() or (None,)
    assert (live, inserted, planned) == (ALL_ACCOUNTS, ALL_ACCOUNTS, ALL_ACCOUNTS)
    # Values are not told: pg_stats is silent about tables with row security.
    assert (
        session.execute("select from pg_catalog.pg_stats where schemaname = 'shop' and tablename = 'account'").rowcount
        == 0
    )


def test_an_insert_that_a_requirement_refuses_names_it(session: psycopg.Connection, shop: Site):
    become(session, shop, 4)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f'"{shop.prefix}_require_tenant_insert"'):
        session.execute("insert into shop.account (id, tenant, stage) values (900, 2, 'open')")


def test_an_update_whose_new_row_a_requirement_refuses_names_it(session: psycopg.Connection, shop: Site):
    become(session, shop, 6)
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match=f'"{shop.prefix}_require_tenant_'):
        session.execute("update shop.account set tenant = 2 where id = 1")
