"""Rows are handed over exactly where the meaning says (point 38): random rule files, data, viewers, rows and recipients.

PGERASE_PROPERTY_SEED repeats a run; a failure names the seed, the rule file and the rules.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from random import Random

import psycopg
import pytest
from psycopg import sql

from pgerase.compile.desired import DesiredFunction
from tests.fix_database import FreshDatabase
from tests.property.draw_data import Pools, Row
from tests.property.draw_rules import Drawn, RuleDrawer
from tests.property.laboratory import Compiled, Expectation, Laboratory, Stored, Viewer
from tests.property.trial import draw_state, trim
from tests.property.world import PEOPLE, RID, TABLES, VARIANTS, Variant

SEED = os.environ.get("PGERASE_PROPERTY_SEED") or "2026"
FILES = 16
"""Of each variant, with one state of the data each."""
LARGEST = 60_000
"""Characters of SQL."""
HANDED = {"account": "owner", "deal": "owner", "task": "assignee", "step": "author", "event": "person"}
"""The column of each table that is handed over."""
ROWS, RECIPIENTS = 3, 3
"""Of each table, for each viewer."""


@pytest.fixture
def laboratory(database: FreshDatabase, variant: str) -> Iterator[Laboratory]:
    """A laboratory of the variant that the test is for."""
    made = Laboratory.build(database, VARIANTS[variant])
    yield made
    made.connection.close()


def draw_file(number: int, variant: Variant, roles: tuple[str, ...]) -> tuple[Random, Pools, Drawn]:
    """The `number`th rule file, with a column handed over wherever a table has one."""
    rng = Random(f"{SEED}/hand over/{variant.name}/{number}")
    pools = Pools.draw(rng)
    drawer = RuleDrawer(rng, variant, pools, roles)
    drawn = drawer.draw()
    for table, resource in zip(drawn.resources, drawn.spec["resources"].values(), strict=True):
        if table in HANDED:
            resource["hand_over"] = drawer.plain(HANDED[table])
    return rng, pools, drawn


class Desk:
    """One rule file applied, with data: what comes of handing rows over, against the meaning."""

    def __init__(self, laboratory: Laboratory, compiled: Compiled, stored: Stored, tally: Counter[str]) -> None:
        self.laboratory = laboratory
        self.compiled = compiled
        self.stored = stored
        self.tally = tally
        self.expectation = Expectation(laboratory, compiled, stored)
        mark = "Hands a row of {} over:"
        self.functions = {
            table: next(
                one
                for one in compiled.desired.objects
                if isinstance(one, DesiredFunction) and one.comment.startswith(mark.format(resource))
            )
            for table, resource in compiled.resources.items()
            if table in HANDED
        }

    def differences(self, viewer: Viewer, rng: Random) -> Iterator[str]:
        """Every try that does not come to what the rules mean."""
        key = self.laboratory.variant.n("id")
        people = [str(person[key]) for person in self.stored.rows[PEOPLE]]
        with self.laboratory.acting(viewer):
            for table in self.functions:
                rows = self.stored.rows[table]
                for row in rng.sample(rows, min(ROWS, len(rows))):
                    for to in rng.sample(people, min(RECIPIENTS, len(people))):
                        yield from self.tried(viewer, table, row, to)

    def tried(self, viewer: Viewer, table: str, row: Row, to: str) -> Iterator[str]:
        """One row handed to one person."""
        column = self.laboratory.variant.n(HANDED[table])
        session, name = self.expectation.session(viewer), self.compiled.resources[table]
        expected = self.expectation.meaning.may_hand_over(session, name, column, to, row)
        held = self.attempt(table, column, row, to)
        self.tally["done" if expected else "refused"] += 1
        if (held is not None) is not expected:
            yield f"{viewer}: {table} {row[RID]} to {to} {'refused' if held is None else 'done'}"
        elif held is not None and held != to:
            yield f"{viewer}: {table} {row[RID]} to {to}: now {held}"

    def attempt(self, table: str, column: str, row: Row, to: str) -> str | None:
        """Who holds the row afterwards; None where the function refuses."""
        connection = self.laboratory.connection
        variant = self.laboratory.variant
        function = _id(self.functions[table].name.schema, self.functions[table].name.name)
        keys = [str(row[variant.n(each)]) for each in TABLES[table].key]
        marks = ", ".join(["%s"] * (len(keys) + 1))
        # psycopg's marks: the names may hold percent signs.
        statement = f"select {function.replace('%', '%%')}({marks})"
        connection.execute("savepoint attempt")
        try:
            connection.execute(statement.encode(), [*keys, to])
            connection.execute("set local session authorization default")
            source = _id(variant.n("schema"), variant.n(table))
            found = connection.execute(
                f"select {_id(column)}::text as holder from {source} where {RID} = {row[RID]}".encode()
            ).fetchone()
            assert found is not None
            return found["holder"]
        except psycopg.errors.InsufficientPrivilege:
            return None
        finally:
            connection.execute("rollback to savepoint attempt")


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_are_handed_over_as_rules_mean(variant: str, laboratory: Laboratory, capfd):
    tally: Counter[str] = Counter()
    for number in range(FILES):
        rng, pools, drawn = draw_file(number, laboratory.variant, laboratory.logins[::-1])
        compiled = laboratory.compile(drawn.spec)
        if not isinstance(compiled, Compiled):
            tally["files refused"] += 1
            tally.update(f"  {finding.code}" for finding in compiled.findings)
            continue
        while len(laboratory.script(compiled.desired)) > LARGEST and trim(drawn):
            smaller = laboratory.compile(drawn.spec)
            assert isinstance(smaller, Compiled)
            compiled = smaller
        tally["files"] += 1
        data, viewers = draw_state(rng, laboratory.variant, pools, drawn)
        with laboratory.applied(compiled), laboratory.loaded(data) as stored:
            desk = Desk(laboratory, compiled, stored, tally)
            for viewer in viewers:
                tally["cases"] += 1
                found = list(desk.differences(viewer, rng))
                assert not found, f"seed {SEED}, variant {variant}, rule file {number}\n" + "\n".join(
                    [*found[:5], compiled.text]
                )
    with capfd.disabled():
        sys.stderr.write(f"\nhand over {variant} seed {SEED}: {dict(tally)}\n")
    assert tally["files"] > FILES / 2
    assert tally["done"] > 20
    assert tally["refused"] > 20


def _id(*parts: str) -> str:
    return sql.Identifier(*parts).as_string(None)
