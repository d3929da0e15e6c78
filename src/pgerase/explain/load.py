"""Reads what one decision is about: the row, what its lookups lead to, and whole only the tables that rules look through.

Large tables are not read for the sake of one row. Rules look through people, relations and members of groups; these tables are held
in memory as far as they fit, and refused by name where they do not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Name, Table
from pgerase.database import Database, identifier, with_parameters
from pgerase.errors import DatabaseFailed, Finding, Refused, UsageError
from pgerase.install.borrow import acting_as
from pgerase.meaning.paths import Lookup
from pgerase.verify.blind import Blind, Rows, SeenRow
from pgerase.verify.model import Sample
from pgerase.verify.needs import Needs

Values = Mapping[str, object]

_NO_VALUE = "22"
"""SQLSTATE class: a text is no value of the type."""
_BREAKS_A_CHECK = "23"
"""SQLSTATE class: a value that its domain does not allow."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """Every row that deciding about one row reads. `row` None: there is none with that key; `id` is its place."""

    data: Mapping[Name, Sequence[Values]]
    row: Values | None
    id: str
    new: Values | None


class Loader:
    """Reads in the snapshot of the open transaction, inside the block in which the lookup role is borrowed."""

    def __init__(self, database: Database, catalog: Catalog, blind: Blind, needs: Needs, *, hold: int) -> None:
        """`hold`: the most rows of one table that are kept."""
        self._database = database
        self._catalog = catalog
        self._blind = blind
        self._needs = needs
        self._hold = hold
        self._found: dict[Name, dict[str, Values]] = {}

    def load(
        self,
        table: Table,
        key: Mapping[str, str] | None,
        new: str | None,
        viewer: tuple[Name, str, str] | None,
        people: Sequence[tuple[Name, Mapping[str, str]]] = (),
    ) -> Loaded:
        """What decides about the row with this key, and about the new one that `new`, a JSON object, makes.

        `viewer` is the people's table with the key's column and the text presented; `people` are others by their keys. Raises Refused where nobody sees all rows
        or they are too many, UsageError for a key or value that is none.
        """
        for name in sorted(self._needs.whole):
            self._found[name] = self._whole(name)
        if viewer is not None and viewer[0] not in self._needs.whole:
            self._found[viewer[0]] = self._person(viewer[0], {viewer[1]: viewer[2]})
        leading: list[tuple[Name, Values]] = []
        for name, person in people:
            if name not in self._needs.whole:
                found = self._person(name, person)
                self._found.setdefault(name, {}).update(found)
                # What is required of reading the person may lead on.
                leading += [(name, values) for values in found.values()]
        row: SeenRow | None = None
        if key is not None:
            try:
                matches = self._rows(table.name, key)
            except DatabaseFailed as error:
                if error.sqlstate.startswith(_NO_VALUE):
                    # From None: PostgreSQL's own words repeat what was given, which may be somebody's.
                    raise UsageError(f"that is no key of {table.name}: {_types(table, key)}") from None
                raise
            row = matches[0] if matches else None
        made = None if new is None else self._new(table, key, new)
        waiting = [(table.name, one) for one in (None if row is None else row.values, made) if one is not None]
        if row is not None and table.name not in self._needs.whole:
            self._found.setdefault(table.name, {})[row.id] = row.values
        self._follow([*waiting, *leading])
        data = {name: tuple(rows.values()) for name, rows in self._found.items()}
        for name in {*self._needs.columns, table.name}:
            data.setdefault(name, ())
        values, place = (None, "") if row is None else (row.values, row.id)
        if row is not None and table.name in self._needs.whole:
            values = self._found[table.name].get(row.id, row.values)
        return Loaded(data, values, place, made)

    def _columns(self, name: Name) -> frozenset[str]:
        """What is needed of a table, and its key, by which people name its rows."""
        table = self._catalog.tables[name]
        return self._needs.columns.get(name, frozenset()) | frozenset(table.key)

    def _whole(self, name: Name) -> dict[str, Values]:
        found = self._blind.read(name, self._columns(name), Sample(hold=self._hold), is_fact=True)
        if isinstance(found, Finding):
            raise Refused(f"{name}, which the rules look through as a whole: {found.message}", hint=found.hint)
        return {row.id: row.values for row in found.rows}

    def _person(self, name: Name, key: Mapping[str, str]) -> dict[str, Values]:
        """The person of that key; nobody where the text is no key at all."""
        try:
            with self._database.transaction():
                return {row.id: row.values for row in self._rows(name, key)}
        except DatabaseFailed as error:
            if error.sqlstate.startswith(_NO_VALUE):
                return {}
            raise

    def _rows(self, name: Name, key: Mapping[str, object]) -> tuple[SeenRow, ...]:
        found = self._blind.look_up(name, self._columns(name), key)
        if isinstance(found, Rows):
            return found.rows
        raise Refused(f"{name}: {found.message}", hint=found.hint)

    def _follow(self, waiting: list[tuple[Name, Values]]) -> None:
        """Read what lookups lead to, and where these lead on."""
        seen: set[tuple[Lookup, tuple[object, ...]]] = set()
        while waiting:
            here, values = waiting.pop()
            for source, lookup in self._needs.followed:
                key = {target: values.get(column) for column, target in lookup.pairs}
                memo = (lookup, tuple(map(repr, key.values())))
                if source != here or lookup.target in self._needs.whole or None in key.values() or memo in seen:
                    continue
                seen.add(memo)
                known = self._found.setdefault(lookup.target, {})
                for row in self._rows(lookup.target, key):
                    if row.id not in known:
                        known[row.id] = row.values
                        waiting.append((lookup.target, row.values))

    def _unfit(self, table: Table, reader: str, new: str) -> list[str]:
        """The columns whose values are none of their types, each tried alone; all that are given where none is to blame alone."""
        given: dict[str, object] = json.loads(new)
        name = with_parameters(identifier(table.name.schema, table.name.name))
        unfit: list[str] = []
        for column, value in given.items():
            statement = f"select pg_catalog.jsonb_populate_record(null::{name}, %s::pg_catalog.jsonb)"
            try:
                with self._database.transaction(), acting_as(self._database, reader):
                    self._database.rows(statement, [json.dumps({column: value})])
            except DatabaseFailed:
                unfit.append(column)
        return unfit or list(given)

    def _new(self, table: Table, key: Mapping[str, str] | None, new: str) -> Values | None:
        """The new row: of an update the row as it is with the values given, of an insert these alone, the rest null."""
        wanted = sorted(self._columns(table.name))
        listed = ", ".join(f"r.{identifier(column)} as c{number}" for number, column in enumerate(wanted))
        name = with_parameters(identifier(table.name.schema, table.name.name))
        parameters: list[object] = [new]
        if key is None:
            source = f"pg_catalog.jsonb_populate_record(null::{name}, %s::pg_catalog.jsonb) as r"
        else:
            tests = " and ".join(f"t.{with_parameters(identifier(column))} = %s" for column in key)
            source = f"{name} as t, pg_catalog.jsonb_populate_record(t, %s::pg_catalog.jsonb) as r where {tests}"
            parameters += key.values()
        reader = self._blind.reader_of(table.name)
        if reader is None:
            raise Refused(f"nobody is proven to see every row of {table.name}")
        try:
            with self._database.transaction(), acting_as(self._database, reader):
                found = self._database.rows(f"select {with_parameters(listed)} from {source}", parameters)
        except DatabaseFailed as error:
            if error.sqlstate.startswith((_NO_VALUE, _BREAKS_A_CHECK)):
                broken = f", by the constraint {error.constraint}" if error.constraint else ""
                given = _types(table, self._unfit(table, reader, new))
                raise UsageError(f"the new row is none of {table.name}{broken}: {given}") from None
            raise
        return {column: found[0][f"c{number}"] for number, column in enumerate(wanted)} if found else None


def _types(table: Table, columns: Iterable[str]) -> str:
    """What may stand in these columns, in words."""
    known = [column for name in columns if (column := table.column(name)) is not None]
    return ", ".join(f"{column.name} is of type {column.type}" for column in known)
