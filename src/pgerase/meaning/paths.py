"""Tables, rows and lookups: where a dotted path leads. Facts only, read as they are; nothing is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Column, Name, Table
from pgerase.errors import PgeraseError
from pgerase.meaning.values import Found, Kind, Many, One, column_value, kind_of, stand_in
from pgerase.rules.access import Reference
from pgerase.rules.names import BackStep, Path, Step, TableName


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """A row of a table. Two rows are the same only if they are one object: a table may hold two alike."""

    table: Table
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Lookup:
    """A foreign key or reference: pairs of a source column and the target's column, sorted by source column."""

    pairs: tuple[tuple[str, str], ...]
    target: Name

    @property
    def columns(self) -> frozenset[str]:
        """The columns that lead on."""
        return frozenset(source for source, _ in self.pairs)

    def __str__(self) -> str:
        return f"{', '.join(source for source, _ in self.pairs)} → {self.target}"


class Facts:
    """Every row that rules may read, found by table and by lookup."""

    def __init__(
        self, catalog: Catalog, references: Sequence[Reference], data: Mapping[Name, Sequence[Mapping[str, object]]]
    ) -> None:
        self._catalog = catalog
        self._references: list[tuple[Name, Lookup]] = []
        for reference in references:
            source, target = self.table(reference.source.table), self.table(reference.target.table)
            lookup = _lookup(reference.source.columns, target.name, reference.target.columns)
            self._references.append((source.name, lookup))
        self._rows: dict[Name, tuple[Row, ...]] = {}
        for name, rows in data.items():
            table = self._by_name(name)
            self._rows[name] = tuple(Row(table, row) for row in rows)
        self._stored = frozenset(row for rows in self._rows.values() for row in rows)
        self._indexes: dict[tuple[Lookup, Name], dict[tuple[object, ...], list[Row]]] = {}
        self._read: dict[tuple[Row, str], Found] = {}

    def table(self, name: TableName) -> Table:
        """The table written so. Raises PgeraseError unless exactly one matches."""
        if name.schema is not None:
            return self._by_name(Name(name.schema, name.name))
        matches = [table for table in self._catalog.tables.values() if table.name.name == name.name]
        if len(matches) != 1:
            found = ", ".join(sorted(str(table.name) for table in matches)) or "none"
            raise PgeraseError(f"{name} has to match exactly one table; found: {found}")
        return matches[0]

    def _by_name(self, name: Name) -> Table:
        table = self._catalog.tables.get(name)
        if table is None:
            raise PgeraseError(f"there is no table {name}")
        return table

    def rows(self, table: Table) -> tuple[Row, ...]:
        """Every row of the table. Raises PgeraseError where the table's rows were not given at all."""
        if table.name not in self._rows:
            raise PgeraseError(f"the rows of {table.name} are needed and were not given")
        return self._rows[table.name]

    def is_stored(self, row: Row) -> bool:
        """Whether this is one of the rows given at the start, rather than one shown for a decision alone."""
        return row in self._stored

    def column(self, table: Table, name: str) -> Column:
        """The column of that name. Raises PgeraseError where there is none."""
        column = table.column(name)
        if column is None:
            raise PgeraseError(f"{table.name} has no column {name}")
        return column

    def read(self, row: Row, name: str) -> Found:
        """The value of one of the row's columns. Raises PgeraseError where the table or the row given lacks it."""
        found = self._read.get((row, name))
        if found is None:
            column = self.column(row.table, name)
            if name not in row.values:
                raise PgeraseError(f"a row of {row.table.name} was given without its column {name}")
            found = column_value(column, row.values[name])
            if self.is_stored(row):
                # The same rows are asked about for every viewer.
                self._read[row, name] = found
        return found

    def single(self, row: Row, name: str) -> One:
        """The value of a column that holds one value. Raises PgeraseError where it is an array."""
        found = self.read(row, name)
        if isinstance(found, Many):
            raise PgeraseError(f"{row.table.name}.{name} is an array, where one value is needed")
        return found

    def lookups(self, table: Table) -> tuple[Lookup, ...]:
        """Every lookup from that table, each once however many constraints declare it."""
        found = [_lookup(key.columns, key.target, key.target_columns) for key in table.foreign_keys]
        found += [lookup for source, lookup in self._references if source == table.name]
        return tuple(dict.fromkeys(found))

    def lookup(self, table: Table, step: Step | BackStep) -> Lookup:
        """The lookup a step means: the one over exactly its columns, else the only one that uses them (point 28).

        Raises PgeraseError where there is none, or more than one.
        """
        if isinstance(step, BackStep):
            raise PgeraseError(f"access rules follow lookups forwards only, not {step}")
        columns = frozenset(step.columns)
        lookups = self.lookups(table)
        matches = [lookup for lookup in lookups if lookup.columns == columns]
        matches = matches or [lookup for lookup in lookups if columns < lookup.columns]
        if not matches:
            raise PgeraseError(f"{table.name}.{step} is no foreign key and no reference")
        if len(matches) > 1:
            listed = "; ".join(str(lookup) for lookup in matches)
            raise PgeraseError(f"{table.name}.{step} is ambiguous: {listed}")
        return matches[0]

    def target(self, table: Table, steps: Iterable[Step | BackStep]) -> Table:
        """The table where these lookups end. Raises PgeraseError as `lookup` does."""
        for step in steps:
            table = self._by_name(self.lookup(table, step).target)
        return table

    def follow(self, row: Row, steps: Iterable[Step | BackStep]) -> Row | None:
        """The row where these lookups end; None where a hop is null or leads nowhere.

        Raises PgeraseError as `lookup` and `hop` do.
        """
        here: Row | None = row
        for step in steps:
            if here is None:
                return None
            here = self.hop(here, self.lookup(here.table, step))
        return here

    def known_by(self, table: Table, steps: Sequence[Step | BackStep]) -> str:
        """The column by which these lookups find the row they end at. Raises PgeraseError where it takes several."""
        *before, last = steps
        pairs = self.lookup(self.target(table, before), last).pairs
        if len(pairs) != 1:
            raise PgeraseError(
                f"{table.name}.{'.'.join(map(str, steps))} ends in {len(pairs)} columns, where one is needed"
            )
        return pairs[0][1]

    def hop(self, row: Row, lookup: Lookup) -> Row | None:
        """The row looked up; None where any column of the lookup is null, or no row matches.

        Raises PgeraseError where several rows match: then it is no lookup (point 28).
        """
        target = self._by_name(lookup.target)
        key: list[object] = []
        for source, other in lookup.pairs:
            found = self.single(row, source)
            if found.value is None:
                return None
            key.append(stand_in(found.value, found.kind, kind_of(self.column(target, other))))
        matches = self._index(row.table, lookup, target).get(tuple(key), [])
        if len(matches) > 1:
            raise PgeraseError(f"{row.table.name}: {lookup} finds {len(matches)} rows for one key")
        return matches[0] if matches else None

    def _index(self, source: Table, lookup: Lookup, target: Table) -> dict[tuple[object, ...], list[Row]]:
        index = self._indexes.get((lookup, source.name))
        if index is None:
            index = dict[tuple[object, ...], list[Row]]()
            kinds: list[Kind] = [kind_of(self.column(source, column)) for column, _ in lookup.pairs]
            for row in self.rows(target):
                found = [self.single(row, column) for _, column in lookup.pairs]
                if all(one.value is not None for one in found):
                    key = tuple(stand_in(one.value, one.kind, kind) for one, kind in zip(found, kinds, strict=True))
                    index.setdefault(key, []).append(row)
            self._indexes[(lookup, source.name)] = index
        return index


def last_column(path: Path) -> str:
    """The single column a path ends in. Raises PgeraseError where it ends in a composite key."""
    try:
        return path.column
    except ValueError as error:
        raise PgeraseError(str(error)) from error


def _lookup(columns: tuple[str, ...], target: Name, target_columns: tuple[str, ...]) -> Lookup:
    if len(columns) != len(target_columns):
        raise PgeraseError(f"a lookup to {target} needs as many columns on both sides")
    return Lookup(tuple(sorted(zip(columns, target_columns, strict=True))), target)
