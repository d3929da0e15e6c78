"""Tries whether restricted columns are guarded: on clones that have the guards of columns and no policies.

Without policies every row is there to be changed, so what refuses a write is the guard alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Name
from pgerase.counts import counted
from pgerase.database import Database
from pgerase.errors import DatabaseFailed
from pgerase.meaning import Meaning, Session
from pgerase.meaning.columns import column_grant
from pgerase.meaning.decide import Values
from pgerase.meaning.paths import Facts
from pgerase.rules.access import AccessRules, Resource
from pgerase.rules.conditions import Action
from pgerase.verify.assume import Actor, Cast
from pgerase.verify.blind import SeenRow
from pgerase.verify.clones import Clone, Wanted
from pgerase.verify.collect import Collector
from pgerase.verify.guard_shape import Restricted
from pgerase.verify.identity import Identity
from pgerase.verify.model import Sample, unseen
from pgerase.verify.needs import restricted
from pgerase.verify.probes import attempt
from pgerase.verify.statements import Statements
from pgerase.verify.subject import Governed, example, session_as
from pgerase.verify.viewers import Viewer

_PAIRS = 3
"""Changes tried of each column, and of each column together with each that rights read."""


@dataclass(frozen=True, slots=True)
class ColumnWrite:
    """An update of the clone's row `base` to the wanted row `new` that names `columns`; without any, an insert of all."""

    columns: tuple[str, ...]
    base: int
    new: int
    before: Values
    after: Values

    @property
    def action(self) -> str:
        """What is tried, in words."""
        return f"update of {', '.join(self.columns)}" if self.columns else "insert of a copy"


@dataclass(frozen=True, slots=True)
class ColumnDesign:
    """What is tried on one table: rows of its clone, rows to write, writes, and who writes with what outcome."""

    governed: Governed
    rows: tuple[SeenRow, ...]
    wanted: tuple[Wanted, ...]
    writes: tuple[ColumnWrite, ...]
    writers: tuple[tuple[Viewer, tuple[bool, ...]], ...]


def restricted_columns(access: AccessRules, catalog: Catalog, governed: Sequence[Name]) -> dict[Name, Restricted]:
    """The restricted columns of every governed table that has some."""
    facts = Facts(catalog, access.references, {})
    found: dict[Name, Restricted] = {}
    for resource in access.resources:
        table = facts.table(resource.table)
        columns = restricted(resource, table)
        if table.name in governed and columns:
            hidden = tuple(one for one in columns if column_grant(resource, one, Action.READ) is not None)
            found[table.name] = Restricted(columns, hidden)
    return found


def design_columns(
    governed: Governed,
    resource: Resource,
    columns: Sequence[str],
    viewers: Sequence[Viewer],
    meaning: Meaning,
    sample: Sample,
    role: str,
) -> ColumnDesign:
    """Choose rows, changes of every restricted column, and viewers of every kind of outcome."""
    draw = random.Random(f"{sample.seed} columns {governed.name}")  # noqa: S311 - a sample, not a secret
    rows = _rows(governed, draw, 4 * sample.probes)
    wanted: list[Wanted] = []
    writes: list[ColumnWrite] = []
    stored = {column.name for column in governed.table.columns if not column.generated}
    names = [name for name in restricted(resource, governed.table) if name in stored]
    others = sorted(set(columns) & stored)
    for base, donor, changed in _changes(rows, names, others, draw):
        wanted.append(Wanted(base, changed, donor))
        before = rows[base].values
        after = {**before, **{one: rows[donor].values[one] for one in changed}}
        writes.append(ColumnWrite(changed, base, len(wanted) - 1, before, after))
    for base, row in enumerate(rows[: sample.probes]):
        wanted.append(Wanted(base))
        writes.append(ColumnWrite((), base, len(wanted) - 1, row.values, row.values))
    judge = _Judge(meaning, resource, governed, names)
    kinds: dict[tuple[bool | None, ...], Viewer] = {}
    for viewer in viewers:
        session = session_as(viewer, role) or Session(None, role)
        kinds.setdefault(tuple(judge.outcome(session, write) for write in writes), viewer)
    telling = {number for kind in kinds for number, one in enumerate(kind) if one is None}
    kept = [number for number in range(len(writes)) if number not in telling]
    writers = {viewer: tuple(bool(kind[number]) for number in kept) for kind, viewer in kinds.items()}
    return ColumnDesign(
        governed, tuple(rows), tuple(wanted), tuple(writes[number] for number in kept),
        tuple(list(writers.items())[: 2 * sample.writers]),
    )  # fmt: skip


def _rows(governed: Governed, draw: random.Random, most: int) -> list[SeenRow]:
    rows = list(governed.compared)
    draw.shuffle(rows)
    return rows[:most]


def _changes(
    rows: Sequence[SeenRow], names: Sequence[str], others: Sequence[str], draw: random.Random
) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """(base, donor, columns): each column as it is, to other values, and together with each other column that rules read."""
    if not rows:
        return
    for name in names:
        same = draw.randrange(len(rows))
        yield same, same, (name,)
        pairs = [
            (base, donor)
            for base, row in enumerate(rows)
            for donor, other in enumerate(rows)
            if repr(row.values[name]) != repr(other.values[name]) and row.values[name] != other.values[name]
        ]
        draw.shuffle(pairs)
        for base, donor in pairs[:_PAIRS]:
            yield base, donor, (name,)
        for other in others:
            if other != name:
                for base, donor in pairs[:_PAIRS]:
                    if rows[base].values[other] != rows[donor].values[other]:
                        yield base, donor, (name, other)


class _Judge:
    """What the rules mean about a write."""

    def __init__(self, meaning: Meaning, resource: Resource, governed: Governed, names: Sequence[str]) -> None:
        self._meaning = meaning
        self._resource = resource.name
        self._names = frozenset(names)
        self._defaults = {column.name for column in governed.table.columns if column.default or column.identity}

    def outcome(self, session: Session, write: ColumnWrite) -> bool | None:
        """Whether it is allowed; None where that hangs on whether a value came from a default."""
        if write.columns:
            return all(self._changes(session, write, name) for name in write.columns if name in self._names)
        refused = {
            name
            for name in self._names
            if write.after[name] is not None
            and not self._meaning.column(session, self._resource, name, Action.INSERT, new=write.after)
        }
        return None if refused and refused <= self._defaults else not refused

    def _changes(self, session: Session, write: ColumnWrite, name: str) -> bool:
        # By their text as well: a number that is none is itself all the same.
        if write.before[name] != write.after[name] and repr(write.before[name]) != repr(write.after[name]):
            return self._meaning.column(session, self._resource, name, Action.UPDATE, row=write.before, new=write.after)
        # Named and left as it is: that takes the right to read alone.
        return all(
            self._meaning.column(session, self._resource, name, Action.READ, row=row)
            for row in (write.before, write.after)
        )


class ColumnProbes:
    """Carries column designs out."""

    def __init__(
        self, database: Database, statements: Statements, cast: Cast, identity: Identity, collector: Collector
    ) -> None:
        self._database = database
        self._statements = statements
        self._cast = cast
        self._identity = identity
        self._collector = collector

    def carry_out(self, plan: ColumnDesign, clone: Clone, actor: Actor) -> None:
        """Try every write of a design as every writer."""
        name = str(plan.governed.name)
        allowed = denied = 0
        for viewer, outcomes in plan.writers:
            role = Actor(viewer.role) if viewer.role is not None else actor
            if viewer.role is not None and not self._cast.may_assume(viewer.role):
                continue  # reported where the role's reads are
            try:
                with self._database.transaction(), self._cast.acting(role):
                    self._identity.present(viewer)
                    for write, expected in zip(plan.writes, outcomes, strict=True):
                        self._try(plan, clone, viewer, write, expected)
            except DatabaseFailed as error:
                self._collector.unseen(unseen(name, f"columns, as {viewer.label}: {error.message}"), "columns")
                return
            allowed += sum(outcomes)
            denied += len(outcomes) - sum(outcomes)
        self._collector.settle(name, "columns", f"{counted(allowed, 'write')} allowed and {denied} denied, on a clone")

    def _try(self, plan: ColumnDesign, clone: Clone, viewer: Viewer, write: ColumnWrite, expected: bool) -> None:
        if write.columns:
            statement, values = clone.update_of(write.columns), (write.new, clone.places[write.base])
        else:
            statement, values = clone.insert, (write.new,)
        done = attempt(self._database, self._statements, statement, *values) is not None
        if done is not expected:
            label = plan.governed.label(plan.rows[write.base].values)
            found = "done" if done else "refused"
            self._collector.disagree(
                "columns", example(plan.governed, viewer, write.action, label, expected, (), found)
            )
