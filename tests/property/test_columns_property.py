"""What masked views show and guards refuse is what drawn rights on columns mean: random files, data and viewers.

Rows are the other property test's: here a row counts where the viewer reads it, and an update where its row passes.
PGERASE_PROPERTY_SEED repeats a run; a failure names the seed, the rule file and the rules.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pgerase.rules.conditions import Action
from tests.fix_database import FreshDatabase
from tests.property.draw_data import Pools
from tests.property.draw_rules import WHO, Drawn, RuleDrawer, Scope
from tests.property.laboratory import Compiled, Expectation, Laboratory, Stored, Viewer
from tests.property.trial import draw_state, trim
from tests.property.world import RID, TABLES, VARIANTS, Variant

SEED = os.environ.get("PGERASE_PROPERTY_SEED") or "2026"
FILES = 30
"""Of each variant, with one state of the data each."""
LARGEST = 60_000
"""Characters of SQL, guards and masked views included."""
_MASKS = {
    "text": "(hidden)",
    "vc": "(hidden)",
    "int": -1,
    "num": 0.5,
    "bool": True,
    "date": "1900-01-01",
    "enum": "ERASED",
}


@pytest.fixture
def laboratory(database: FreshDatabase, variant: str) -> Iterator[Laboratory]:
    """A laboratory of the variant that the test is for."""
    made = Laboratory.build(database, VARIANTS[variant])
    yield made
    made.connection.close()


def draw_file(number: int, variant: Variant, roles: tuple[str, ...]) -> tuple[Random, Pools, Drawn]:
    """The `number`th rule file: one of the other test's, with rights on columns of every resource."""
    rng = Random(f"{SEED}/columns/{variant.name}/{number}")
    pools = Pools.draw(rng)
    drawer = RuleDrawer(rng, variant, pools, roles)
    drawn = drawer.draw()
    for place, (table, resource) in enumerate(zip(drawn.resources, drawn.spec["resources"].values(), strict=True)):
        drawer.earlier = drawn.resources[:place]
        resource["columns"] = draw_columns(rng, variant, drawer, table)
    return rng, pools, drawn


def draw_columns(rng: Random, variant: Variant, drawer: RuleDrawer, table: str) -> dict[str, Any]:
    """Rights on some columns, and now and then on the others."""
    entries: dict[str, Any] = {}
    for column in rng.sample(TABLES[table].columns, min(3, len(TABLES[table].columns))):
        actions = rng.sample(("read", "update"), rng.choice((1, 1, 2)))
        entry = {action: draw_grant(rng, drawer, table) for action in actions}
        if "read" in entry and column.kind in _MASKS and rng.random() < 0.7:
            entry["mask"] = _MASKS[column.kind]
        entries[drawer.plain(column.name)] = entry
    if rng.random() < 0.25:
        entries["*"] = {rng.choice(("read", "update")): draw_grant(rng, drawer, table)}
    return entries


def draw_grant(rng: Random, drawer: RuleDrawer, table: str) -> Any:
    """everyone, none, a condition on the viewer, or who and rows."""
    rows = Scope(table, viewer=True, row=table, can=True)
    match rng.choices(("word", "who", "rows", "both"), (1, 4, 4, 2))[0]:
        case "word":
            return rng.choice(("everyone", "none"))
        case "who":
            return drawer.condition(WHO, 1)
        case "rows":
            tied = drawer.tied(rows) if rng.random() < 0.5 else {}
            return {"rows": tied or drawer.condition(rows, 1)}
        case _:
            return {"who": drawer.condition(WHO, 0), "rows": drawer.condition(rows, 1)}


class Look:
    """One rule file applied, with data: what one viewer is shown and may change, against the meaning."""

    def __init__(self, laboratory: Laboratory, compiled: Compiled, stored: Stored, tally: Counter[str]) -> None:
        self.laboratory = laboratory
        self.compiled = compiled
        self.stored = stored
        self.tally = tally
        self.expectation = Expectation(laboratory, compiled, stored)
        self.meaning = self.expectation.meaning
        self.views = {mask.table: mask for mask in compiled.desired.masks}

    def differences(self, viewer: Viewer) -> Iterator[str]:
        """Everything that is not as the rules mean it."""
        with self.laboratory.acting(viewer):
            for table in self.compiled.resources:
                yield from self.shown(viewer, table)
                yield from self.changed(viewer, table)

    def shown(self, viewer: Viewer, table: str) -> Iterator[str]:
        """The masked view: its rows and its hidden columns."""
        mask = self.views.get(self.laboratory.variant.table(table))
        if mask is None:
            return
        session, name = self.expectation.session(viewer), self.compiled.resources[table]
        rows = {row[RID]: row for row in self.meaning.visible(session, name)}
        listed = ", ".join(_id(column) for column in mask.hidden)
        rid = f"{RID}, " if RID not in mask.hidden else ""
        view = _id(mask.view.schema, mask.view.name)
        found = self.laboratory.connection.execute(f"select {rid}{listed} from {view}".encode()).fetchall()
        if len(found) != len(rows):
            yield f"{viewer}: {len(found)} rows in {view}, meaning {len(rows)}"
        if not rid:
            return
        for row in found:
            for column in mask.hidden:
                may = row[RID] in rows and self.meaning.column(session, name, column, Action.READ, row=rows[row[RID]])
                self.tally["shown" if may else "masked"] += 1
                wanted = rows[row[RID]][column] if may else self.mask(name, column)
                if row[column] != wanted and str(row[column]) != str(wanted):
                    yield f"{viewer}: {view}.{column} of row {row[RID]} shows {row[column]!r}, meaning {wanted!r}"

    def mask(self, resource: str, column: str) -> object:
        """What the rules say stands in the column's place."""
        entries = {entry.column: entry for entry in self.compiled.rules.resource(resource).columns}
        source = entries.get(column)
        return source.mask.value if source is not None and source.mask is not None else None

    def changed(self, viewer: Viewer, table: str) -> Iterator[str]:
        """Updates of one column each, as far as the row itself lets them through."""
        session, name = self.expectation.session(viewer), self.compiled.resources[table]
        rows = {row[RID]: row for row in self.stored.rows[table]}
        target = _id(self.laboratory.variant.n("schema"), self.laboratory.variant.n(table))
        # A row that moves to another partition is inserted there, which is judged by the rights to insert as well.
        moving = self.laboratory.variant.n(TABLES[table].partition)
        columns = (entry.column for entry in self.compiled.rules.resource(name).columns)
        restricted = [column for column in columns if column not in ("*", moving)]
        for new in self.stored.changed[table]:
            for column in restricted:
                before = rows[new[RID]]
                after = {**before, column: new[column]}
                statement = (
                    f"update {target} t set {_id(column)} = c.{_id(column)} from probe.changed_{table} c"
                    f" where t.{RID} = {new[RID]} and c.{RID} = t.{RID}"
                )
                done = self.attempt(statement)
                if done is None:
                    continue
                named = all(self.meaning.column(session, name, column, Action.READ, row=row) for row in (before, after))
                expected = named and (
                    repr(before[column]) == repr(after[column])  # not a number is itself
                    or before[column] == after[column]
                    or self.meaning.column(session, name, column, Action.UPDATE, row=before, new=after)
                )
                self.tally["changed" if expected else "refused"] += 1
                if done is not expected:
                    yield f"{viewer}: update of {column} of row {new[RID]} of {table} {'done' if done else 'refused'}"

    def attempt(self, statement: str) -> bool | None:
        """Whether a guard of columns lets it through; None where the row itself does not."""
        connection = self.laboratory.connection
        connection.execute("savepoint attempt")
        try:
            return True if connection.execute(statement.encode()).rowcount == 1 else None
        except psycopg.errors.InsufficientPrivilege as error:
            return False if "(columns of " in (error.diag.message_primary or "") else None
        except psycopg.errors.IntegrityError:
            return None
        finally:
            connection.execute("rollback to savepoint attempt")


def prepare(laboratory: Laboratory, compiled: Compiled) -> str:
    """What the laboratory leaves out: readers of masked views, and guards that fire."""
    viewer = _id(f"{laboratory.prefix}_viewer")
    made = [f"grant select on {_id(mask.view.schema, mask.view.name)} to {viewer};" for mask in compiled.desired.masks]
    for wanted in compiled.desired.objects:
        if hasattr(wanted, "definition") and hasattr(wanted, "table") and "[pgerase columns]" in wanted.comment:
            table = _id(wanted.table.schema, wanted.table.name)
            made.append(f"alter table {table} enable trigger {_id(wanted.name)};")
    return "\n".join(made)


@pytest.mark.parametrize("variant", VARIANTS)
def test_columns_are_shown_and_changed_as_rules_mean(variant: str, laboratory: Laboratory, capfd):
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
            laboratory.connection.execute(prepare(laboratory, compiled).encode())
            look = Look(laboratory, compiled, stored, tally)
            for viewer in viewers:
                tally["cases"] += 1
                found = list(look.differences(viewer))
                assert not found, f"seed {SEED}, variant {variant}, rule file {number}\n" + "\n".join(
                    [*found[:5], compiled.text]
                )
    with capfd.disabled():
        sys.stderr.write(f"\ncolumns {variant} seed {SEED}: {dict(tally)}\n")
    assert tally["files"] > FILES / 2
    for good, bad in (("shown", "masked"), ("changed", "refused")):
        assert 0.1 < tally[good] / (tally[good] + tally[bad]) < 0.9, tally
        assert min(tally[good], tally[bad]) > 20


def _id(*parts: str) -> str:
    return sql.Identifier(*parts).as_string(None)
