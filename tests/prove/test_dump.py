"""The search against pg_dump piped to grep, on real databases: what one finds, the other does."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pgerase.database import Database
from pgerase.prove import Needle, PlaceKind, Verdict, prove
from tests.fix_database import FreshDatabase
from tests.prove.conftest import loud, write_pack

CHINOOK = """\
version: 1
subjects:
  customer:
    table: public.customer
    key: customer_id
    identifiers:
      email: email
      phone: phone
      name: [first_name, last_name]
      address: address
      company: company
"""


def _grep(dump: str, value: str) -> dict[str, int]:
    """Lines of each table's COPY that hold the value, ignoring case: what `grep -iF` would count."""
    counts: dict[str, int] = {}
    table = ""
    for line in dump.splitlines():
        copy = re.match(r"COPY (\S+) \(", line)
        table = copy[1] if copy else "" if line == "\\." else table
        if table and not copy and value.lower() in line.lower():
            counts[table] = counts.get(table, 0) + 1
    return counts


@pytest.fixture
def shop(chinook: FreshDatabase, tmp_path: Path) -> tuple[FreshDatabase, object]:
    return chinook, write_pack(tmp_path, CHINOOK, chinook.prefix)


def test_it_finds_what_grep_finds(shop, pg_dump: Callable[..., str]):
    database, pack = shop
    with database.connect() as owner:
        rows = owner.execute(
            "select customer_id::text, email, phone, first_name || ' ' || last_name, address, company"
            " from public.customer order by customer_id"
        ).fetchall()
    dump = pg_dump(database, "--data-only")
    names = ("email", "phone", "name", "address", "company")
    needles = [
        Needle(row[0], name, value) for row in rows[:12] for name, value in zip(names, row[1:], strict=True) if value
    ]
    with Database.open(database.dsn()) as connection:
        report = prove(connection, pack, "customer", needles)
    found: dict[tuple[str, str], dict[str, list[int]]] = {}
    for place in report.places:
        for hit in place.hits if place.kind is PlaceKind.ROWS else ():
            found.setdefault((hit.person, hit.name), {}).setdefault(place.relation, []).append(hit.rows)
    for needle in needles:
        by_search, by_grep = found.get((needle.person, needle.name), {}), _grep(dump, needle.value)
        assert by_search.keys() == by_grep.keys(), needle.name
        # A row with it in two columns is one line.
        assert all(max(rows) <= by_grep[table] <= sum(rows) for table, rows in by_search.items())
    assert len(found) > 30


def test_what_was_taken_out_is_gone_for_both(shop, pg_dump: Callable[..., str]):
    database, pack = shop
    with database.connect() as owner:
        email, phone, address = owner.execute(
            "select email, phone, address from public.customer where customer_id = 1"
        ).fetchone()
        needles = [Needle("1", "email", email), Needle("1", "phone", phone), Needle("1", "address", address)]
        with Database.open(database.dsn()) as connection:
            assert prove(connection, pack, "customer", needles).verdict is Verdict.FAIL
        owner.execute(
            "update public.customer set email = 'erased@erased.invalid', phone = null, address = null where customer_id = 1"
        )
        # Autovacuum may have looked at the table before, and its statistics hold what it saw.
        owner.execute("analyze public.customer")
        with Database.open(database.dsn()) as connection:
            left = loud(prove(connection, pack, "customer", needles))
        assert left == {"public.invoice.billing_address": Verdict.FAIL}
        assert _grep(pg_dump(database, "--data-only"), address).keys() == {"public.invoice"}
        owner.execute("update public.invoice set billing_address = null where customer_id = 1")
        owner.execute("analyze public.invoice")
        with Database.open(database.dsn()) as connection:
            assert prove(connection, pack, "customer", needles).verdict is Verdict.CLEAN
    dump = pg_dump(database, "--data-only")
    assert [_grep(dump, value) for value in (email, phone, address)] == [{}, {}, {}]
