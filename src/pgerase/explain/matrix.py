"""matrix: how many rows of every resource people may read and change, counted by the database as these people.

Everything happens in one transaction that is rolled back. What a viewer reads is `count(*)` through policies, what he may update
counted with FOR KEY SHARE, which fires nothing. Inserts and deletes cannot be counted without doing them: there the reference evaluation
counts, where it is wanted, beside the others.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pgerase.catalog.model import Catalog, Name, Table
from pgerase.catalog.read import read_catalog
from pgerase.database import Database, identifier
from pgerase.errors import DatabaseFailed, Finding, InternalError, Refused, Severity, UsageError
from pgerase.explain.common import (
    as_read,
    is_installed,
    modes_of,
    named_table,
    nearest,
    resource_named,
    secured_view,
)
from pgerase.explain.model import Cell, Line, Matrix, MatrixQuestion, ResourceColumn
from pgerase.install.borrow import borrowed
from pgerase.install.names import Names
from pgerase.meaning import Meaning, Session
from pgerase.meaning.decide import Values
from pgerase.rules.access import AccessRules, IdentityKind, Resource
from pgerase.rules.conditions import Action
from pgerase.rules.pack import Mode, Pack
from pgerase.verify.assume import Actor, Cast
from pgerase.verify.blind import Blind, Rows
from pgerase.verify.identity import prepare_identity, roles_to_prepare
from pgerase.verify.model import Sample
from pgerase.verify.needs import Needs, find_needs
from pgerase.verify.savepoint import taken_back
from pgerase.verify.subject import session_as
from pgerase.verify.support import read_grants, support_rules
from pgerase.verify.viewers import Population, Viewer, sample_viewers

_WAIT = "5s"
_NO_VALUE = "22"
"""SQLSTATE class: a text is no value of the type."""
_COUNTED = (Action.READ, Action.UPDATE)
_NOBODIES = {"unknown key", "garbage"}
"""Strata of verify's that see nothing by definition: a line of zeros tells nothing."""


def _quiet(_: str) -> None:
    """Nobody wants to know how far it is."""


def matrix(
    database: Database, pack: Pack, question: MatrixQuestion, *, progress: Callable[[str], None] = _quiet
) -> Matrix:
    """Count what viewers or members of groups may do. Raises UsageError for names and keys that are none, Refused where people or
    expected rows cannot be read or nothing is governed, RuleFileError for rules that do not fit the database, DatabaseFailed.
    """
    if database.in_transaction:
        raise InternalError("matrix opens a transaction of its own")
    if pack.access is None:
        raise Refused("the pack has no access rules: there is nothing to count", hint="Add access.yaml to the pack.")
    with database.trial(isolation="repeatable read"):
        database.run(f"set local lock_timeout = '{_WAIT}'")
        database.run("set local row_security = on")
        return _Counting(database, pack, pack.access, question, progress).matrix()


@dataclass(frozen=True, slots=True, eq=False)
class _Governed:
    """A resource whose table is governed, and how many rows it has. `read` is the table, or the secured view people read it by."""

    resource: Resource
    table: Table
    total: int
    read: Table


@dataclass(frozen=True, slots=True)
class _Row:
    """A line to be, and the sessions it counts for."""

    line: Line
    viewers: tuple[Viewer, ...]


class _Counting:
    """One matrix of one database."""

    def __init__(
        self,
        database: Database,
        pack: Pack,
        access: AccessRules,
        question: MatrixQuestion,
        progress: Callable[[str], None],
    ) -> None:
        self._database = database
        self._pack = pack
        self._access = access
        self._question = question
        self._progress = progress
        self._names = Names(pack.settings.prefix)
        self._catalog: Catalog = read_catalog(database)
        if not is_installed(self._catalog, self._names):
            raise Refused(f"pgerase is not installed in {self._catalog.database}", hint="Run `pgerase install`.")
        self._modes = modes_of(pack, access, self._catalog)
        self._cast = Cast(database, self._catalog, self._names.viewer, pack.settings.app)
        self._findings: list[Finding] = []
        self._support = support_rules(pack)

    def matrix(self) -> Matrix:
        """Read what has to be read as somebody who sees it, then count as everybody who was chosen."""
        wanted = self._wanted()
        kind = self._pack.identity or IdentityKind.SETTING
        with borrowed(self._database, *roles_to_prepare(self._names, kind)):
            blind = Blind(self._database, self._catalog, self._names.lookup)
            self._refuse_unknown(blind)
            governed = [self._sized(blind, resource) for resource in wanted]
            needs = find_needs(self._access, self._catalog, {one.table.name for one in governed}, support=self._support)
            data, now = self._read(blind, needs, governed)
            rows = self._rows(data, now, governed, needs)
            self._identity = prepare_identity(self._database, self._names, kind, self._pack.claim)
        meaning = None
        if self._question.expected:
            grants = () if self._support is None else read_grants(self._database, self._names.prefix)
            meaning = Meaning(self._access, self._catalog, data, now, support=self._support, grants=grants)
        cells = [self._cells(row, governed, meaning) for row in rows]
        return Matrix(
            pack=self._pack.name,
            database=self._catalog.database,
            actions=self._question.actions,
            columns=tuple(ResourceColumn(one.resource.name, str(one.table.name), one.total) for one in governed),
            lines=tuple(row.line for row in rows),
            cells=tuple(cells),
            not_in_force=tuple(
                (resource.name, self._modes[resource.name].value)
                for resource in self._access.resources
                if self._modes[resource.name] is not Mode.ON
            ),
            findings=(*self._findings, *_differences(rows, governed, cells)),
        )

    # -- what to count -------------------------------------------------------------------------------------------------

    def _wanted(self) -> list[Resource]:
        named = [resource_named(self._access, name) for name in dict.fromkeys(self._question.resources)]
        for resource in named:
            if self._modes[resource.name] is not Mode.ON:
                raise Refused(f"{resource.name} is in mode {self._modes[resource.name]}: its rules are not in force")
        found = named or [one for one in self._access.resources if self._modes[one.name] is Mode.ON]
        if not found:
            raise Refused("no table is in mode on: there is nothing to count")
        return found

    def _sized(self, blind: Blind, resource: Resource) -> _Governed:
        table = named_table(self._catalog, resource.table)
        total = blind.count(table.name)
        if isinstance(total, Finding):
            raise Refused(f"{table.name}: {total.message}", hint=total.hint)
        view = None if table.has_row_security else secured_view(self._pack, self._catalog, table)
        if view is None and not table.has_row_security:
            raise Refused(f"{table.name} has no secured view yet", hint="Run `pgerase plan` and `pgerase apply`.")
        return _Governed(resource, table, total, as_read(table, view))

    def _read(
        self, blind: Blind, needs: Needs, governed: Sequence[_Governed]
    ) -> tuple[Mapping[Name, Sequence[Values]], datetime]:
        """What choosing people takes; where counts are expected everything that deciding takes."""
        tables: frozenset[Name] = frozenset()
        if self._question.expected:
            tables = frozenset((*needs.columns, *(one.table.name for one in governed)))
        elif not self._question.viewers or self._question.groups:
            tables = needs.whole
            if self._access.viewers is not None:
                tables |= {named_table(self._catalog, self._access.viewers.table).name}
        data: dict[Name, Sequence[Values]] = {}
        for name in sorted(tables):
            self._progress(f"reading {name}")
            columns = needs.columns.get(name, frozenset[str]())
            found = blind.read(name, columns, Sample(hold=self._question.hold), is_fact=True)
            if not isinstance(found, Rows):
                raise Refused(f"{name}: {found.message}", hint=found.hint)
            data[name] = tuple(row.values for row in found.rows)
        return data, self._database.value("select pg_catalog.statement_timestamp()")

    # -- whom to count as ----------------------------------------------------------------------------------------------

    def _rows(
        self, data: Mapping[Name, Sequence[Values]], now: datetime, governed: Sequence[_Governed], needs: Needs
    ) -> list[_Row]:
        question = self._question
        rows = [_row("viewer", key, Viewer("given", key, key, Session(key, ""))) for key in question.viewers]
        if question.groups or not question.viewers:
            population = None
            if self._access.viewers is not None:
                population = Population(self._access, self._catalog, data, now)
            if question.groups:
                rows += [self._group(name, population) for name in dict.fromkeys(question.groups)]
            else:
                rows += self._sampled(population, governed, needs)
        return rows

    def _refuse_unknown(self, blind: Blind) -> None:
        """Zeros are not to be taken for the rights of somebody. Raises UsageError where a viewer who is named is nobody."""
        viewers = self._access.viewers
        if viewers is None:
            return
        people = named_table(self._catalog, viewers.table)
        unknown: list[int] = []
        for number, key in enumerate(self._question.viewers, 1):
            try:
                with self._database.transaction():
                    found = blind.look_up(people.name, (), {viewers.key: key})
            except DatabaseFailed as error:
                if not error.sqlstate.startswith(_NO_VALUE):
                    raise
                found = None
            if found is None or (isinstance(found, Rows) and not found.rows):
                unknown.append(number)
        if unknown:
            # By place: what was typed may be somebody's.
            which = "" if len(self._question.viewers) == 1 else f" number {' and '.join(map(str, unknown))}"
            column = people.column(viewers.key)
            kind = "" if column is None else f", of type {column.type}"
            message = f"nobody of {people.name} has the key that is given as --viewer{which}"
            raise UsageError(message, hint=f"Keys are values of {viewers.key}{kind}.")

    def _sampled(self, population: Population | None, governed: Sequence[_Governed], needs: Needs) -> list[_Row]:
        sample = Sample(seed=self._question.seed, viewers=self._question.sample)
        names = [one.table.name for one in governed]
        # The type of keys matters to viewers who are nobody only, and these are left out.
        found = sample_viewers(self._access, population, names, needs, sample, "")
        return [
            _row(one.stratum, one.label, one)
            for one in found
            if one.session is not None and one.stratum not in _NOBODIES
        ]

    def _group(self, name: str, population: Population | None) -> _Row:
        """A few of the group's active members, drawn."""
        known = [group.name for group in self._access.groups]
        if name not in known or population is None:
            raise UsageError(f"there is no group {name}", hint=nearest(name, known))
        people = population.people
        members = [
            population.key(row) for row in population.rows if people.is_active(row) and people.is_member(row, (name,))
        ]
        draw = random.Random(f"{self._question.seed} {name}")  # noqa: S311 - a sample, not a secret
        chosen = sorted(draw.sample(members, min(len(members), self._question.members)))
        viewers = tuple(Viewer("member", key, key, Session(key, "")) for key in chosen)
        return _Row(Line("group", name, len(viewers), len(members)), viewers)

    # -- counting ------------------------------------------------------------------------------------------------------

    def _cells(self, row: _Row, governed: Sequence[_Governed], meaning: Meaning | None) -> tuple[Cell, ...]:
        self._progress(f"counting as {row.line.kind} {row.line.name}")
        return tuple(self._cell(row, one, action, meaning) for one in governed for action in self._question.actions)

    def _cell(self, row: _Row, governed: _Governed, action: Action, meaning: Meaning | None) -> Cell:
        if action is not Action.READ and not governed.table.has_row_security:
            return Cell(0, 0) if meaning is None else Cell(0, 0, 0, 0)
        counts: list[int | None] = []
        expected: list[int] = []
        for viewer in row.viewers:
            actor = self._actor(viewer, governed, action) if action in _COUNTED else None
            counts.append(None if actor is None else self._count(viewer, governed, action, actor))
            if meaning is not None:
                session = session_as(viewer, "" if actor is None else actor.role)
                assert session is not None
                expected.append(len(meaning.visible(session, governed.resource.name, action)))
        known = [count for count in counts if count is not None]
        cell = Cell(min(known), max(known)) if known and len(known) == len(counts) else Cell(None, None)
        if expected:
            differs = any(count is not None and count != other for count, other in zip(counts, expected, strict=True))
            cell = replace(cell, expected_low=min(expected), expected_high=max(expected), differs=differs)
        return cell

    def _actor(self, viewer: Viewer, governed: _Governed, action: Action) -> Actor | None:
        """Whom to count as; None, and a note about it, where nobody can be."""
        update = action is Action.UPDATE
        if viewer.role is not None:
            if not self._cast.may_assume(viewer.role):
                return self._unseen(governed, f"the connecting role may not act as {viewer.role}")
            if self._cast.has_rights(viewer.role, governed.read, update=update):
                return Actor(viewer.role)
            return None  # the role has no such right on the table, whatever rows say
        actor = self._cast.actor_for(governed.read, update=update)
        if actor is None:
            roles = ", ".join(self._cast.logins) or "the application's logins"
            return self._unseen(governed, f"none of {roles} has the rights and may be assumed")
        return actor

    def _unseen(self, governed: _Governed, why: str) -> None:
        finding = Finding("could-not-count", Severity.WARNING, str(governed.table.name), f"not counted: {why}")
        if finding not in self._findings:
            self._findings.append(finding)

    def _count(self, viewer: Viewer, governed: _Governed, action: Action, actor: Actor) -> int | None:
        table = identifier(governed.read.name.schema, governed.read.name.name)
        statement = f"select pg_catalog.count(*) from {table}"
        if action is Action.UPDATE:
            statement = f"select pg_catalog.count(*) from (select 1 from {table} for key share skip locked) as l"

        def counted() -> int:
            with self._cast.acting(actor):
                self._identity.present(viewer)
                return int(self._database.value(statement))

        try:
            return taken_back(self._database, counted)
        except DatabaseFailed as error:
            return self._unseen(governed, f"{action} as {actor.role}: {error.message}")


def _row(kind: str, name: str, viewer: Viewer) -> _Row:
    return _Row(Line(kind, name, 1, 1), (viewer,))


def _differences(
    rows: Sequence[_Row], governed: Sequence[_Governed], cells: Sequence[tuple[Cell, ...]]
) -> Iterable[Finding]:
    """A finding a table where the database counts other rows than the rules mean."""
    for number, one in enumerate(governed):
        width = len(cells[0]) // len(governed) if cells else 0
        lines = [
            row.line.name
            for row, found in zip(rows, cells, strict=True)
            if any(cell.differs for cell in found[number * width : (number + 1) * width])
        ]
        if lines:
            yield Finding(
                "matrix-differs",
                Severity.ERROR,
                str(one.table.name),
                f"the database counts other rows than the rules mean, for {', '.join(lines)}",
                "See `pgerase explain` for a row, `pgerase verify` for all, and `pgerase drift`.",
            )
