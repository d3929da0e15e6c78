"""Tries whether columns that decide about people are guarded: on clones that have the guard and no policies.

Without policies every row is there to be changed, so what refuses a write is the guard alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Name, Table
from pgerase.counts import counted
from pgerase.database import Database
from pgerase.errors import DatabaseFailed
from pgerase.meaning.conditions import where_scope
from pgerase.meaning.decide import Values
from pgerase.meaning.paths import Facts, Row
from pgerase.rules.access import AccessRules, MemberRelation
from pgerase.rules.conditions import Condition
from pgerase.verify.assume import Actor, Cast
from pgerase.verify.blind import SeenRow
from pgerase.verify.clones import Clone, Wanted
from pgerase.verify.collect import Collector
from pgerase.verify.identity import Identity
from pgerase.verify.model import Counterexample, Sample, unseen
from pgerase.verify.needs import Needs
from pgerase.verify.probes import attempt
from pgerase.verify.statements import Statements
from pgerase.verify.viewers import Population, Viewer

_ROWS = 8


@dataclass(frozen=True, slots=True)
class GuardDesign:
    """The rows of one guarded table's clone, and for every column a change of it: (column, clone row, wanted row)."""

    table: Table
    columns: tuple[str, ...]
    rows: tuple[SeenRow, ...]
    wanted: tuple[Wanted, ...]
    changes: tuple[tuple[str, int, int], ...]


def guarded_columns(access: AccessRules, catalog: Catalog, needs: Needs) -> dict[Name, tuple[str, ...]]:
    """The columns that decide about people and are not everybody's to write, of every table that has some."""
    facts = Facts(catalog, access.references, {})
    open_to_all = {(facts.table(entry.table).name, entry.column) for entry in access.authority if entry.everyone}
    found = {
        table: tuple(sorted(column for column in columns if (table, column) not in open_to_all))
        for table, columns in needs.guarded.items()
    }
    return {table: columns for table, columns in sorted(found.items()) if columns}


class Authority:
    """Who may write which guarded column: super admins, and whom `authority` names."""

    def __init__(self, access: AccessRules, catalog: Catalog, population: Population) -> None:
        facts = Facts(catalog, access.references, {})
        self._entries = {(facts.table(entry.table).name, entry.column): entry for entry in access.authority}
        self._people = population.people
        self._by_hand: dict[Name, list[tuple[MemberRelation, Condition | None]]] = {}
        for group in access.groups:
            if group.managed_by is not None and isinstance(group.members, MemberRelation):
                name = facts.table(group.members.table).name
                self._by_hand.setdefault(name, []).append((group.members, group.managed_by.who))

    def may(self, viewer: Viewer, table: Name, column: str) -> bool:
        """Whether the viewer, who has to be known and active, may write the column."""
        person = self._person(viewer)
        if person is None:
            return False
        entry = self._entries.get((table, column))
        named = entry is not None and (
            entry.everyone or (entry.who is not None and self._people.who(person, entry.who) is True)
        )
        return named or self._people.is_super_admin(person)

    def by_hand(self, table: Table, rows: Sequence[SeenRow]) -> list[SeenRow]:
        """A row of each group whose members are managed by hand in that table."""
        found = (
            next((row for row in rows if self._is_of(relation, table, row.values)), None)
            for relation, _ in self._by_hand.get(table.name, ())
        )
        return [row for row in found if row is not None]

    def _is_of(self, relation: MemberRelation, table: Table, row: Values) -> bool:
        return self._people.conditions.holds(relation.where, where_scope(Row(table, row), None, None)) is True

    def managed(self, viewer: Viewer) -> tuple[bool, ...]:
        """Which of the groups whose members are managed by hand the viewer manages, in the order of the file."""
        person = self._person(viewer)
        return tuple(
            person is not None and who is not None and self._people.who(person, who) is True
            for groups in self._by_hand.values()
            for _, who in groups
        )

    def manages(self, viewer: Viewer, table: Table, rows: Sequence[Values]) -> bool:
        """Whether each of these rows is that of a member by hand of a group that the viewer manages."""
        person = self._person(viewer)
        if person is None:
            return False
        mine = [
            relation
            for relation, who in self._by_hand.get(table.name, ())
            if self._people.is_super_admin(person) or (who is not None and self._people.who(person, who) is True)
        ]
        return all(any(self._is_of(relation, table, row) for relation in mine) for row in rows)

    def _person(self, viewer: Viewer) -> Row | None:
        if viewer.session is None or not viewer.session.identity:
            return None
        person = self._people.identify(viewer.session.identity)
        return person if person is not None and self._people.is_active(person) else None


def design_guard(table: Table, columns: tuple[str, ...], rows: Sequence[SeenRow], authority: Authority) -> GuardDesign:
    """A change of every guarded column: to another row's value, or to null where all rows have the same.

    Of each group whose members are managed by hand one row is there, if any is.
    """
    chosen = _different(columns, rows)
    chosen += [row for row in authority.by_hand(table, rows) if row not in chosen]
    nullable = {column.name for column in table.columns if not column.not_null}
    wanted: list[Wanted] = []
    changes: list[tuple[str, int, int]] = []
    for column in columns:
        for base, row in enumerate(chosen):
            donor = next(
                (number for number, other in enumerate(chosen) if other.values[column] != row.values[column]), None
            )
            if donor is None and (column not in nullable or row.values[column] is None):
                continue
            wanted.append(Wanted(base, (column,), donor))
            changes.append((column, base, len(wanted) - 1))
            break
    if chosen:
        wanted.append(Wanted(0))
    return GuardDesign(table, columns, tuple(chosen), tuple(wanted), tuple(changes))


def _different(columns: Sequence[str], rows: Sequence[SeenRow]) -> list[SeenRow]:
    """Rows that differ in as many of the columns as there is a difference."""
    chosen = list(rows[:1])
    for column in columns:
        values = [row.values[column] for row in chosen]
        other = next((row for row in rows if row.values[column] not in values), None)
        if (other is not None and len(values) < 2 and other not in chosen) or (
            other is not None and len(set(map(repr, values))) == 1 and other not in chosen
        ):
            chosen.append(other)
    return chosen[: max(_ROWS, len(columns) + 1)]


class GuardProbes:
    """Carries guard designs out."""

    def __init__(
        self,
        database: Database,
        statements: Statements,
        cast: Cast,
        identity: Identity,
        authority: Authority,
        collector: Collector,
    ) -> None:
        self._database = database
        self._statements = statements
        self._cast = cast
        self._identity = identity
        self._authority = authority
        self._collector = collector

    def carry_out(self, plan: GuardDesign, clone: Clone, actor: Actor, viewers: Sequence[Viewer]) -> None:
        """Change every guarded column as every viewer; delete and copy a row."""
        name = str(plan.table.name)
        count = 0
        for viewer in viewers:
            role = Actor(viewer.role) if viewer.role is not None else actor
            if viewer.role is not None and not self._cast.may_assume(viewer.role):
                continue
            try:
                with self._database.transaction(), self._cast.acting(role):
                    self._identity.present(viewer)
                    count += self._all(plan, clone, viewer)
            except DatabaseFailed as error:
                self._collector.unseen(unseen(name, f"guard, as {viewer.label}: {error.message}"), "guard")
                return
        missing = [column for column in plan.columns if column not in {changed for changed, _, _ in plan.changes}]
        extent = f"{counted(count, 'write')} of {counted(len(plan.columns), 'column')}, on a clone"
        if missing:
            extent += f"; no other value to write into {', '.join(missing)}"
        self._collector.settle(name, "guard", extent)

    def _all(self, plan: GuardDesign, clone: Clone, viewer: Viewer) -> int:
        may = {column: self._authority.may(viewer, plan.table.name, column) for column in plan.columns}

        def by_hand(*rows: Values) -> bool:
            return self._authority.manages(viewer, plan.table, rows)

        for column, base, new in plan.changes:
            wish, old = plan.wanted[new], plan.rows[base].values
            value = None if wish.donor is None else plan.rows[wish.donor].values[column]
            allowed = may[column] or by_hand(old, {**old, column: value})
            self._compare(plan, clone.update, viewer, f"update of {column}", allowed, new, clone.places[base])
        if plan.rows:
            copied = plan.rows[0].values
            everything = all(may.values()) or by_hand(copied)
            for row, place in zip(plan.rows, clone.places, strict=True):
                allowed = all(may.values()) or by_hand(row.values)
                self._compare(plan, clone.delete, viewer, "delete", allowed, place)
            # What a row would hold anyway needs no authority: only values that no default explains are asked about.
            telling = [
                column.name
                for column in plan.table.columns
                if column.name in may and column.default is None and copied[column.name] is not None
            ]
            if everything or any(not may[column] for column in telling):
                copy = len(plan.wanted) - 1
                self._compare(plan, clone.insert, viewer, "insert", everything, copy)
        return len(plan.changes)

    def _compare(
        self,
        plan: GuardDesign,
        statement: str,
        viewer: Viewer,
        action: str,
        allowed: bool,
        *values: str | int,
    ) -> None:
        done = attempt(self._database, self._statements, statement, *values) is not None
        if done is allowed:
            return
        example = Counterexample(
            object=str(plan.table.name),
            viewer=f"{viewer.stratum} {viewer.label}",
            action=action,
            row="(any row)",
            expected="allowed" if allowed else "denied",
            because=("authority",) if allowed else (),
            found="done" if done else "refused",
        )
        self._collector.disagree("guard", example)


def guard_viewers(
    viewers: Sequence[Viewer], authority: Authority, tables: Mapping[Name, tuple[str, ...]], sample: Sample
) -> list[Viewer]:
    """A super admin, everybody's kind of authority once, a few without any, and sessions that are nobody's."""
    kinds: dict[tuple[bool, ...], Viewer] = {}
    for viewer in viewers:
        kind = (
            *(authority.may(viewer, table, column) for table, columns in tables.items() for column in columns),
            *authority.managed(viewer),
        )
        kinds.setdefault(kind, viewer)
    chosen = list(kinds.values())
    others = [viewer for viewer in viewers if viewer not in chosen and viewer.role is None]
    nobodies = [viewer for viewer in others if viewer.presented is None or viewer.session is None]
    return [*chosen, *others[: sample.writers // 2], *nobodies][: 2 * sample.writers]
