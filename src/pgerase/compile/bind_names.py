"""Finds what names in rule files mean in a catalog: tables, columns, lookups. Records what cannot be found as findings."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TypeVar

from pgerase.catalog.model import Catalog, Column, Name, Table
from pgerase.compile import bound
from pgerase.compile.bound import Hop, Side
from pgerase.compile.types import type_of
from pgerase.errors import Finding, Position, Severity
from pgerase.rules.names import BackStep, Path, Step, TableName

T = TypeVar("T")


class Unbound(Exception):
    """Something could not be bound; the finding is recorded, whoever can go on without it catches this."""


class NameBinder:
    """Names of one set of rules against one catalog; goes on past what it cannot find, and keeps the findings."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.findings: list[Finding] = []
        self.references: list[tuple[Name, Hop]] = []

    # Findings -----------------------------------------------------------------------------------------------------

    def fail(self, code: str, subject: str, message: str, at: Position, hint: str = "") -> Unbound:
        self.findings.append(Finding(code, Severity.ERROR, subject, message, hint, at))
        return Unbound()

    def warn(self, code: str, subject: str, message: str, at: Position, hint: str = "") -> None:
        self.findings.append(Finding(code, Severity.WARNING, subject, message, hint, at))

    def not_yet(self, what: str, at: Position) -> Unbound:
        return self.fail("not-compiled-yet", what, f"{what}: this release reads but does not compile it", at)

    def attempt(self, make: Callable[[], T]) -> T | None:
        """The result, or None where a finding was recorded instead."""
        try:
            return make()
        except Unbound:
            return None

    # Names --------------------------------------------------------------------------------------------------------

    def table(self, name: TableName, at: Position) -> Table:
        found = [
            t for t in self.catalog.tables.values() if t.name.name == name.name and name.schema in (None, t.name.schema)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            choices = ", ".join(sorted(str(t.name) for t in found))
            raise self.fail(
                "ambiguous-table", str(name), f"table {name} exists more than once: {choices}", at, "Name the schema."
            )
        view = next(
            (
                v
                for v in self.catalog.views.values()
                if v.name.name == name.name and name.schema in (None, v.name.schema)
            ),
            None,
        )
        if view is not None:
            raise self.fail("not-a-table", str(name), f"{view.name} is a view; rules stand on tables", at)
        near = nearest(str(name), [str(t) for t in self.catalog.tables])
        raise self.fail("unknown-table", str(name), f"there is no table {name} in this database", at, near)

    def column(self, table: Table, name: str, at: Position) -> Column:
        column = table.column(name)
        if column is None:
            near = nearest(name, [c.name for c in table.columns])
            raise self.fail("unknown-column", f"{table.name}.{name}", f"{table.name} has no column {name}", at, near)
        return column

    def hop(self, table: Table, step: Step | BackStep, at: Position) -> Hop:
        if isinstance(step, BackStep):
            raise self.fail("backward-step", str(step), "access rules follow lookups forwards only", at)
        for name in step.columns:
            self.column(table, name, at)
        # Exactly these columns, else the only lookup that uses them among others (28).
        exact = dict.fromkeys(self.lookups_of(table, step.columns))
        candidates = exact or dict.fromkeys(
            hop for hop in self.lookups_of(table) if set(step.columns) < set(hop.columns)
        )
        if len(candidates) == 1:
            return next(iter(candidates))
        label = f"{table.name}.{step}"
        if candidates:
            targets = ", ".join(sorted(f"{hop.target}({', '.join(hop.target_columns)})" for hop in candidates))
            raise self.fail("ambiguous-lookup", label, f"{label} is a lookup to more than one place: {targets}", at)
        hint = "Declare it under references: if the column points somewhere."
        raise self.fail("not-a-lookup", label, f"{label} is in no foreign key and no reference", at, hint)

    def lookups_of(self, table: Table, columns: tuple[str, ...] | None = None) -> Iterable[Hop]:
        """Every lookup of a table; with `columns`, those through exactly these columns, in whatever order declared."""
        for fk in table.foreign_keys:
            if columns is None:
                yield _ordered_hop(Hop(fk.columns, fk.target, fk.target_columns), fk.columns)
            elif sorted(fk.columns) == sorted(columns):
                yield _ordered_hop(Hop(fk.columns, fk.target, fk.target_columns), columns)
        for source, hop in self.references:
            if source == table.name and (columns is None or sorted(hop.columns) == sorted(columns)):
                yield _ordered_hop(hop, columns or hop.columns)

    def follow(self, table: Table, steps: Iterable[Step | BackStep], at: Position) -> tuple[tuple[Hop, ...], Table]:
        hops: list[Hop] = []
        for step in steps:
            hop = self.hop(table, step, at)
            hops.append(hop)
            table = self.catalog.tables[hop.target]
        return tuple(hops), table

    def path(self, side: Side, table: Table, path: Path, at: Position) -> bound.ColumnValue:
        hops, end = self.follow(table, path.lookups, at)
        last = path.steps[-1]
        if isinstance(last, BackStep) or len(last.columns) != 1:
            raise self.fail("not-a-column", str(path), f"{path} does not end in a single column", at)
        column = self.column(end, last.columns[0], at)
        return bound.ColumnValue(side, hops, column.name, type_of(column))


def _ordered_hop(hop: Hop, columns: tuple[str, ...]) -> Hop:
    """The hop with its columns in the order asked for."""
    pairs = dict(zip(hop.columns, hop.target_columns, strict=True))
    return Hop(columns, hop.target, tuple(pairs[column] for column in columns))


def is_unique(table: Table, columns: tuple[str, ...]) -> bool:
    """Whether some unique index over exactly these columns holds for every row."""
    wanted = set(columns)
    return any(
        index.unique and index.valid and not index.partial and set(index.columns[: index.key_count]) == wanted
        for index in table.indexes
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint naming the nearest of the known names; empty where none is near."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]}?" if close else ""
