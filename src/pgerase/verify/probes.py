"""Tries writes on clones as the sampled viewers: inserts, updates and deletes that the rules allow, and ones they only just deny.

What a write comes to is taken back at once, each in a savepoint of its own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from pgerase.counts import counted
from pgerase.database import Database
from pgerase.errors import DatabaseFailed
from pgerase.meaning.decide import Values
from pgerase.rules.conditions import Action
from pgerase.verify.assume import Actor, Cast
from pgerase.verify.blind import SeenRow
from pgerase.verify.clones import Clone, Wanted
from pgerase.verify.collect import Collector
from pgerase.verify.identity import Identity
from pgerase.verify.model import Sample, unseen
from pgerase.verify.savepoint import taken_back
from pgerase.verify.statements import Statements
from pgerase.verify.subject import Expectations, Governed, example, session_as
from pgerase.verify.viewers import Viewer

_REFUSED = "42501"
_DONORS = 6
_CONSIDERED = 20
"""Writes weighed for each viewer, action and column before a few are tried."""
_BARE = 50
"""Rows that statements without a condition meet, as far as the table has them: one statement tries them all."""


@dataclass(frozen=True, slots=True)
class Try:
    """One write by one viewer: `old` and `new` are numbers of clone rows and wanted rows; what the rules mean about it."""

    viewer: Viewer
    action: Action
    old: int | None
    new: int | None
    allowed: bool


@dataclass(frozen=True, slots=True)
class Design:
    """What will be tried on one table: the rows its clone needs, the rows to write, and the writes.

    `more` are rows that only what is tried without a condition meets, beside the others.
    """

    governed: Governed
    rows: tuple[SeenRow, ...]
    wanted: tuple[Wanted, ...]
    tries: tuple[Try, ...]
    more: tuple[SeenRow, ...] = ()


def design(
    governed: Governed,
    columns: Iterable[str],
    viewers: Sequence[Viewer],
    expectations: Expectations,
    sample: Sample,
    role: str,
) -> Design:
    """Choose writers, rows and writes: of every action some that are allowed and some that one changed column denies."""
    draw = random.Random(f"{sample.seed} {governed.name}")  # noqa: S311 - a sample, not a secret
    writers = _writers(governed, viewers, expectations, sample, role, draw)
    rows = _base(governed, writers, expectations, sample, role, draw)
    places = {row.id: number for number, row in enumerate(rows)}
    nullable = {column.name for column in governed.table.columns if not column.not_null}
    mutable = sorted(set(columns) & {column.name for column in governed.table.columns})
    wanted: dict[Wanted, int] = {}
    tries: list[Try] = []
    for viewer in writers:
        session = session_as(viewer, role)
        touched = expectations.allowed(session, governed, Action.UPDATE)
        deleted = expectations.allowed(session, governed, Action.DELETE)
        tries += [
            Try(viewer, Action.DELETE, old, None, allowed)
            for old, allowed in _some(
                ((places[row.id], row.id in deleted) for row in _shuffled(rows, draw)), sample.probes, lambda _: ()
            )
        ]
        considered = list(_mutants(rows, mutable, nullable, touched, draw))
        updates = (
            ((wish.base, wish), expectations.may_write(session, governed, Action.UPDATE, rows[wish.base].values, new))
            for wish, new in considered
        )
        for (old, wish), allowed in _some(updates, sample.probes, lambda write: write[1].columns):
            tries.append(Try(viewer, Action.UPDATE, old, wanted.setdefault(wish, len(wanted)), allowed))
        inserts = (
            (wish, expectations.may_write(session, governed, Action.INSERT, None, new)) for wish, new in considered
        )
        for wish, allowed in _some(inserts, sample.probes, lambda write: write.columns):
            tries.append(Try(viewer, Action.INSERT, None, wanted.setdefault(wish, len(wanted)), allowed))
    more = [row for row in _shuffled(governed.compared, draw) if row.id not in places]
    return Design(governed, rows, tuple(wanted), tuple(tries), tuple(more[: max(0, _BARE - len(rows))]))


def _writers(
    governed: Governed,
    viewers: Sequence[Viewer],
    expectations: Expectations,
    sample: Sample,
    role: str,
    draw: random.Random,
) -> list[Viewer]:
    """Those who may change most, but not all of one kind; others; nobody and every role."""
    people = [viewer for viewer in viewers if viewer.role is None and viewer.session is not None]

    def weight(viewer: Viewer) -> int:
        count = len(expectations.allowed(session_as(viewer, role), governed, Action.UPDATE))
        return min(count, len(governed.compared) - count) if count else -1

    ranked = sorted(people, key=weight, reverse=True)
    half = sample.writers // 2
    chosen = ranked[:half]
    rest = [viewer for viewer in people if viewer not in chosen and viewer.presented is not None]
    first = [viewer for viewer in rest if viewer.stratum == "super admin"][:1]
    others = [viewer for viewer in rest if viewer not in first]
    draw.shuffle(others)
    chosen += [*first, *others][: sample.writers - half]
    nobodies = [viewer for viewer in viewers if viewer.presented is None and viewer not in chosen]
    return [*chosen, *nobodies]


def _base(
    governed: Governed,
    writers: Sequence[Viewer],
    expectations: Expectations,
    sample: Sample,
    role: str,
    draw: random.Random,
) -> tuple[SeenRow, ...]:
    """Rows for the clone: for each writer some to change and some not, and one of every value that rules read."""
    shuffled = _shuffled(governed.compared, draw)
    chosen: dict[str, SeenRow] = {}
    for viewer in writers:
        session = session_as(viewer, role)
        for action in (Action.UPDATE, Action.DELETE):
            mine = expectations.allowed(session, governed, action)
            for inside in (True, False):
                picked = [row for row in shuffled if (row.id in mine) is inside][: sample.probes // 2 or 1]
                chosen |= {row.id: row for row in picked}
    seen: dict[str, set[str]] = {}
    for row in shuffled:
        for column, value in row.values.items():
            values = seen.setdefault(column, set())
            if repr(value) not in values and len(values) < _DONORS:
                values.add(repr(value))
                chosen[row.id] = row
    return tuple(chosen.values())


def _mutants(
    rows: Sequence[SeenRow], columns: Sequence[str], nullable: set[str], touched: frozenset[str], draw: random.Random
) -> Iterator[tuple[Wanted, Values]]:
    """Rows to write, drawn: copies, and copies with one column of another row or null. Rows one may change come first."""
    mine = [number for number, row in enumerate(rows) if row.id in touched]
    others = [number for number, row in enumerate(rows) if row.id not in touched]
    for index in range(_CONSIDERED * (len(columns) + 1)):
        pool = mine if mine and (draw.random() < _MINE or not others) else others or mine
        if not pool:
            return
        base = draw.choice(pool)
        if index % (len(columns) + 1) == 0:
            yield Wanted(base), rows[base].values
            continue
        column = columns[index % (len(columns) + 1) - 1]
        donor = None if column in nullable and draw.random() < _NULLS else draw.randrange(len(rows))
        value = None if donor is None else rows[donor].values[column]
        yield Wanted(base, (column,), donor), {**rows[base].values, column: value}


_NULLS = 0.15
"""How often a column that may be null becomes null."""
_MINE = 0.7
"""How often a row is changed that one may change, where there are both."""


_What = TypeVar("_What", bound=Hashable)


def _some(
    weighed: Iterable[tuple[_What, bool]], most: int, kind: Callable[[_What], tuple[str, ...]]
) -> list[tuple[_What, bool]]:
    """A few of each answer: one of every kind, and more of any kind where these are fewer than `most`."""
    chosen: dict[bool, dict[_What, None]] = {True: {}, False: {}}
    more: dict[bool, dict[_What, None]] = {True: {}, False: {}}
    kinds: dict[bool, set[tuple[str, ...]]] = {True: set(), False: set()}
    for what, allowed in weighed:
        if kind(what) in kinds[allowed]:
            more[allowed][what] = None
        else:
            kinds[allowed].add(kind(what))
            chosen[allowed][what] = None
    for allowed, found in chosen.items():
        left = (what for what in more[allowed] if what not in found)
        found.update(dict.fromkeys(islice(left, max(0, most - len(found)))))
    return [(what, allowed) for allowed, found in chosen.items() for what in found]


def _made(plan: Design, wish: Wanted) -> Values:
    """The values of a wanted row."""
    donor = None if wish.donor is None else plan.rows[wish.donor].values
    changed = {column: None if donor is None else donor[column] for column in wish.columns}
    return {**plan.rows[wish.base].values, **changed}


def _shuffled(rows: Sequence[SeenRow], draw: random.Random) -> list[SeenRow]:
    found = list(rows)
    draw.shuffle(found)
    return found


def attempt(database: Database, statements: Statements, statement: str, *values: str | int) -> int | None:
    """How many rows a write changes, None where it is refused; it is taken back. Raises DatabaseFailed for anything else."""
    try:
        return taken_back(database, lambda: statements.affected(statement, *values))
    except DatabaseFailed as error:
        if error.sqlstate == _REFUSED:
            return None
        raise


class Probes:
    """Carries designs out."""

    def __init__(
        self,
        database: Database,
        statements: Statements,
        cast: Cast,
        identity: Identity,
        expectations: Expectations,
        collector: Collector,
    ) -> None:
        self._database = database
        self._statements = statements
        self._cast = cast
        self._identity = identity
        self._expectations = expectations
        self._collector = collector

    def carry_out(
        self, plan: Design, clone: Clone, unchecked: Clone, actor: Actor, viewers: Sequence[Viewer] = ()
    ) -> None:
        """Try every write of a design on its clone; `unchecked` is another one, with more rows (`Workshop.unchecked`).

        All `viewers` try to change and to delete whatever they can of it.
        """
        name = str(plan.governed.name)
        statements = {Action.INSERT: clone.insert, Action.UPDATE: clone.update, Action.DELETE: clone.delete}
        done = {action: [0, 0] for action in statements}
        for viewer in dict.fromkeys(one.viewer for one in plan.tries):
            mine = [one for one in plan.tries if one.viewer == viewer]
            role = Actor(viewer.role) if viewer.role is not None else actor
            if viewer.role is not None and not self._cast.may_assume(viewer.role):
                continue  # reported where the role's reads are
            try:
                with self._database.transaction(), self._cast.acting(role):
                    self._identity.present(viewer)
                    for one in mine:
                        self._try(plan, clone, statements[one.action], one)
                        self._bare_write(plan, clone, one, role.role)
                        done[one.action][0 if one.allowed else 1] += 1
            except DatabaseFailed as error:
                self._collector.unseen(unseen(name, f"writes of {viewer.label} on a clone: {error.message}"), "writes")
                return
        try:
            with self._database.transaction(), self._cast.acting(actor):
                for viewer in (viewer for viewer in viewers if viewer.role is None):
                    self._identity.present(viewer)
                    self._bare(plan, unchecked, viewer, actor.role)
        except DatabaseFailed as error:
            self._collector.unseen(unseen(name, f"writes without a condition: {error.message}"), "writes")
            return
        for action, (allowed, denied) in done.items():
            self._collector.settle(name, str(action), f"{allowed} allowed and {denied} denied, on a clone")

    def _try(self, plan: Design, clone: Clone, statement: str, one: Try) -> None:
        values: list[str | int] = [] if one.new is None else [one.new]
        values += [] if one.old is None else [clone.places[one.old]]
        changed = attempt(self._database, self._statements, statement, *values)
        if (changed == 1) is one.allowed:
            return
        what = str(one.action)
        self._collector.disagree(
            what,
            example(
                plan.governed,
                one.viewer,
                what,
                self._row(plan, one),
                one.allowed,
                (),
                "refused" if changed is None else ("not done" if not changed else "done"),
            ),
        )

    def _row(self, plan: Design, one: Try) -> str:
        """The write in words: keys, and names of changed columns, never their values."""
        if one.new is None:
            return plan.governed.label(plan.rows[one.old or 0].values)
        wish = plan.wanted[one.new]
        label = plan.governed.label(plan.rows[wish.base].values)
        if not wish.columns:
            return f"{label} {'as a copy' if one.old is None else 'unchanged'}"
        source = "null" if wish.donor is None else f"that of {plan.governed.label(plan.rows[wish.donor].values)}"
        return f"{label} with {', '.join(wish.columns)} {'' if wish.donor is None else 'like '}{source}"

    def _bare_write(self, plan: Design, clone: Clone, one: Try, role: str) -> None:
        """A row that may not be made of any is not made by a statement either that only the policies for UPDATE bind."""
        if one.action is not Action.UPDATE or one.allowed or one.new is None:
            return
        session = session_as(one.viewer, role)
        touchable = self._expectations.allowed(session, plan.governed, Action.UPDATE)
        old = next((row.values for row in plan.rows if row.id in touchable), None)
        new = _made(plan, plan.wanted[one.new])
        # Old and new row are judged one by one: what may not become of one that may be changed may not become of any.
        if old is None or self._expectations.may_write(session, plan.governed, Action.UPDATE, old, new):
            return
        changed = attempt(self._database, self._statements, clone.bare_write, one.new)
        if changed:
            row = f"{self._row(plan, one)}, without a condition"
            found = f"done, {counted(changed, 'row')}"
            self._collector.disagree(
                "update", example(plan.governed, one.viewer, "update", row, expected=False, because=(), found=found)
            )

    def _bare(self, plan: Design, unchecked: Clone, viewer: Viewer, role: str) -> None:
        """What reads no column is bound by the policies of its own command alone: they have to hold what reading asks for.

        The planner is told the contrary of what `become` has told it, mostly, since anybody can: it decides nothing.
        """
        session = session_as(viewer, role)
        self._identity.hint(viewer.stratum != "super admin")
        for action, statement in ((Action.DELETE, unchecked.bare_delete), (Action.UPDATE, unchecked.bare_update)):
            if statement is None:
                continue
            allowed = self._expectations.allowed(session, plan.governed, action)
            rows = (*plan.rows, *plan.more)
            expected = sum(row.id in allowed for row in rows)
            found = attempt(self._database, self._statements, statement) or 0
            if found != expected:
                row = f"(of {counted(len(rows), 'row')}, without a condition)"
                words = (counted(expected, "row"),)
                one = example(plan.governed, viewer, str(action), row, expected > 0, words, counted(found, "row"))
                self._collector.disagree(str(action), one)
