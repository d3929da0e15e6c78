"""Support access: which rows open grants let a viewer read besides (docs/meaning.md, points 47 to 53). Slow and plain on purpose."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from pgerase.catalog.model import Name, Table
from pgerase.errors import PgeraseError, Position
from pgerase.meaning.paths import Facts, Row
from pgerase.meaning.people import People
from pgerase.meaning.values import same
from pgerase.rules.audit import Support
from pgerase.rules.data_map import ByIdentifier, ByKey, DataMap, IdentifierPaths, Link, Subject
from pgerase.rules.names import Step, TableColumns


@dataclass(frozen=True, slots=True)
class SupportRules:
    """What audit.yaml says of support access, and the data map that says whose rows are whose."""

    support: Support
    data_map: DataMap


@dataclass(frozen=True, slots=True)
class Grant:
    """A support grant as it stands. `person` is the key as text, as in requests; of several columns the text of a JSON array.

    `opened_here` and `approved_here`: by the transaction that asks.
    """

    number: int
    holder: str
    subject: str
    person: str
    until: datetime
    is_break_glass: bool = False
    second_person: bool = False
    is_approved: bool = False
    is_closed: bool = False
    opened_here: bool = False
    approved_here: bool = False
    ticket: str = ""


InSight: TypeAlias = Callable[[Row, Row], bool]
"""Whether what is required of reading a person's row leaves it to a viewer: the viewer first."""


@dataclass(frozen=True, slots=True)
class _Way:
    """Rows of `table` are a person's where the first columns of each pair equal the second of the person's own row."""

    subject: str
    table: Name
    pairs: tuple[tuple[str, str], ...]


class SupportAccess:
    """Grants, and the rows they open."""

    def __init__(
        self, rules: SupportRules, grants: Sequence[Grant], facts: Facts, people: People, now: datetime
    ) -> None:
        """Raises PgeraseError where the rules do not fit the data map."""
        self._rules = rules
        self._grants = tuple(grants)
        self._facts = facts
        self._people = people
        self._now = now
        self._subjects = {one.name: one for one in rules.data_map.subjects if one.table is not None}
        self._ways = tuple(self._find_ways())

    @property
    def at(self) -> Position:
        """Where the rules of support access stand."""
        return self._rules.support.at

    def of(self, viewer: Row) -> tuple[Grant, ...]:
        """Every grant that the viewer holds, open or not."""
        key = self._people.key(viewer).value
        return tuple(grant for grant in self._grants if key is not None and grant.holder == str(key))

    def opens(self, viewer: Row, row: Row, in_sight: InSight) -> tuple[Grant, ...]:
        """The grants by which the viewer may read that row, its own requirements apart."""
        return tuple(grant for grant in self.of(viewer) if not self.why_not(grant, viewer, row, in_sight))

    def why_not(self, grant: Grant, viewer: Row, row: Row, in_sight: InSight) -> str:
        """Why a grant of the viewer does not open the row; empty where it does."""
        terms = self._rules.support
        approved = grant.is_approved and not grant.approved_here
        glass = terms.break_glass
        person = self._person(grant)
        if grant.opened_here:
            return "it was opened by this very transaction"
        if grant.is_closed:
            return "it was closed"
        if not grant.until > self._now:
            return "it is over"
        if grant.second_person and not approved:
            return "nobody else has approved it"
        if person is None:
            return "there is no such person"
        if grant.is_break_glass:
            if glass is None or self._people.who(viewer, glass.who) is not True:
                return "the viewer may not break the glass"
            if glass.second_person and not approved:
                return "nobody else has approved it"
        elif self._people.who(viewer, terms.who) is not True:
            return "the viewer is not of those who may"
        elif not self._allows(grant.subject, person):
            return "the person does not allow it"
        if person != viewer and not in_sight(viewer, person):
            return "what is required of reading the person does not hold for the viewer"
        if not any(self._leads(way, row, person) for way in self._ways if way.subject == grant.subject):
            return "the row is not that person's, by a link that is opened"
        return ""

    # -- people --------------------------------------------------------------------------------------------------------

    def _person(self, grant: Grant) -> Row | None:
        subject = self._subjects.get(grant.subject)
        if subject is None:
            return None
        rows = self._facts.rows(self._table(subject))
        return next((row for row in rows if self._key_text(subject, row) == grant.person), None)

    def _table(self, subject: Subject) -> Table:
        assert subject.table is not None
        return self._facts.table(subject.table)

    def _key_text(self, subject: Subject, row: Row) -> str | None:
        values = [self._facts.single(row, column.column).value for column in subject.key]
        if any(value is None for value in values):
            return None
        texts = [str(value) for value in values]
        return texts[0] if len(texts) == 1 else json.dumps(texts, ensure_ascii=False)

    def _allows(self, subject: str, person: Row) -> bool:
        """The person's own switch; whose kind has none where there is one cannot allow it."""
        switch = self._rules.support.switch
        if switch is None:
            return True
        if self._facts.table(switch.table).name != self._table(self._subjects[subject]).name:
            return False
        return self._facts.single(person, switch.columns[0]).value is True

    # -- rows ----------------------------------------------------------------------------------------------------------

    def _leads(self, way: _Way, row: Row, person: Row) -> bool:
        if row.table.name != way.table:
            return False
        for mine, theirs in way.pairs:
            left, right = self._facts.single(row, mine), self._facts.single(person, theirs)
            if left.value is None or right.value is None or not same(left.value, left.kind, right.value, right.kind):
                return False
        return True

    def _find_ways(self) -> Iterator[_Way]:
        """The person's own row, and each of `links`, as the data map has it."""
        for subject in self._subjects.values():
            key = tuple((column.column, column.column) for column in subject.key)
            yield _Way(subject.name, self._table(subject).name, key)
        for link in self._rules.support.links:
            yield from self._linked(link.columns)

    def _linked(self, wanted: TableColumns) -> Iterator[_Way]:
        table = self._facts.table(wanted.table)
        found = False
        for mapped in self._rules.data_map.tables:
            if self._facts.table(mapped.table).name != table.name:
                continue
            for link in mapped.links:
                last = link.path.steps[-1]
                if len(link.path.steps) == 1 and isinstance(last, Step) and set(last.columns) == set(wanted.columns):
                    found = True
                    yield self._way(table, link, last.columns)
        if not found:
            raise PgeraseError(f"support access opens {wanted}, which is no link of the data map")

    def _way(self, table: Table, link: Link, columns: tuple[str, ...]) -> _Way:
        subject = self._subjects[link.subject]
        if link.when is not None or link.inside is not None:
            raise PgeraseError(f"{link.at}: support access opens no link that holds under a condition")
        match link.by:
            case ByKey():
                pairs = self._by_key(table, subject, columns)
            case ByIdentifier(name=name):
                pairs = ((columns[0], _identifier_column(subject, name)),)
            case _:
                raise PgeraseError(f"{link.at}: support access opens no link by template")
        return _Way(subject.name, table.name, pairs)

    def _by_key(self, table: Table, subject: Subject, columns: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """As a lookup to the person's row pairs them, else in the order written."""
        keys = tuple(column.column for column in subject.key)
        target = self._table(subject).name
        for lookup in self._facts.lookups(table):
            if (
                lookup.target == target
                and lookup.columns == frozenset(columns)
                and {one for _, one in lookup.pairs} == set(keys)
            ):
                return lookup.pairs
        return tuple(zip(columns, keys, strict=True))


def _identifier_column(subject: Subject, name: str) -> str:
    for identifier in subject.identifiers:
        if identifier.name == name and isinstance(identifier.source, IdentifierPaths):
            return identifier.source.paths[0].column
    raise PgeraseError(f"{subject.at}: {subject.name} has no identifier {name} that is a column")
