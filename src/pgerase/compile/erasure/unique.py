"""Unique indexes as the erasing statement has to know them: what they compare, over which rows."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass

from pglast import ast, parse_sql
from pglast.stream import RawStream
from pglast.visitors import Visitor

from pgerase.catalog.model import Column, Index, Table
from pgerase.compile.erasure import bound
from pgerase.compile.erasure.bound import BoundLink
from pgerase.compile.sql import ident, unbroken
from pgerase.compile.types import of_extension


@dataclass(frozen=True, slots=True)
class UniqueKey:
    """A unique index: `keys` are SQL over a row whose columns need no prefix, and so is `predicate` of a partial one.

    `columns` are all columns that keys and predicate name, in the table's order.
    """

    name: str
    keys: tuple[str, ...]
    predicate: str | None
    columns: tuple[str, ...]
    nulls_distinct: bool
    equals: tuple[str, ...]
    """The operator that compares each key: types of extensions have theirs in another schema."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names for the values of the keys."""
        return tuple(f"key_{place}" for place in range(1, len(self.keys) + 1))

    def same(self, other: str) -> list[str]:
        """That a row has the values that `other` has under `names`."""
        made: list[str] = []
        for text, equal, name in zip(self.keys, self.equals, self.names, strict=True):
            same = f"{text} {equal} {other}.{name}"
            made.append(same if self.nulls_distinct else f"({same} or ({text} is null and {other}.{name} is null))")
        return made


def unique_keys(table: Table) -> tuple[UniqueKey, ...]:
    """The unique indexes of a table, by name; but for those over whole rows, which are left to the database."""
    read = (_read(table, index) for index in table.indexes if index.unique and index.valid)
    return tuple(one for one in read if one is not None)


def clashes_of(table: Table, links: Iterable[BoundLink], treated: Container[str]) -> tuple[UniqueKey, ...]:
    """The unique indexes in which a row that a link hands over may meet another one, and that know no `treated` column."""
    moved = {name for link in links for rule in link.rules for one in rule.candidates for name in _moved(link, one)}
    # Where a row comes to by a generated column is known only to the database, and to the dry run.
    later = {column.name for column in derived(table, moved)}
    return tuple(
        key
        for key in unique_keys(table)
        if moved & set(key.columns) and not any(name in treated or name in later for name in key.columns)
    )


def _moved(link: BoundLink, candidate: bound.Candidate) -> Iterable[str]:
    match candidate:
        case bound.ToValue(values):
            return [name for name, value in values if not value.startswith("null::")]
        case _:
            return link.path.columns[-1:]


def _read(table: Table, index: Index) -> UniqueKey | None:
    (statement,) = parse_sql(index.definition)
    made = statement.stmt
    assert isinstance(made, ast.IndexStmt), index.definition
    keys = made.indexParams or ()
    texts = tuple(ident(one.name) if one.name is not None else f"({unbroken(RawStream()(one.expr))})" for one in keys)
    named = _Columns()
    for one in keys:
        if one.expr is not None:
            named(one.expr)
    if made.whereClause is not None:
        named(made.whereClause)
    if named.whole_row:
        return None
    plain = {one.name for one in keys if one.name is not None}
    return UniqueKey(
        index.name,
        texts,
        None if made.whereClause is None else f"({unbroken(RawStream()(made.whereClause))})",
        tuple(column.name for column in table.columns if column.name in plain | named.found),
        not index.nulls_not_distinct,
        tuple("=" if one.name is None else _equal(table, one.name) for one in keys),
    )


def _equal(table: Table, name: str) -> str:
    column = table.column(name)
    assert column is not None
    return of_extension(column, "=")


def derived(table: Table, changed: Container[str]) -> tuple[Column, ...]:
    """The generated columns whose values change with others."""
    found: list[Column] = []
    for column in table.columns:
        if column.generated and column.default is not None:
            named = _Columns()
            named(parse_sql(f"select {column.default}"))
            if named.whole_row or any(name in changed for name in named.found):
                found.append(column)
    return tuple(found)


def columns_of(table: Table, expression: str) -> set[str]:
    """The columns of a table that an expression names; all of them where it takes whole rows."""
    named = _Columns()
    named(parse_sql(f"select {expression}"))
    return {column.name for column in table.columns if named.whole_row or column.name in named.found}


class _Columns(Visitor):
    """The columns that an expression over one table names."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.whole_row = False

    def visit_ColumnRef(self, ancestors: object, node: ast.ColumnRef) -> None:  # noqa: N802 (pglast calls it by this name)
        """A column: the last part of its name."""
        *_, last = node.fields or (None,)
        if isinstance(last, ast.String) and last.sval is not None:
            self.found.add(last.sval)
        else:
            self.whole_row = True
