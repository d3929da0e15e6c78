"""Which columns of tables a function uses, read from its text: what it does not use may be of whatever type.

It resolves the names that our own functions write: tables by their schema, columns by the alias before them, or alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from pglast import ast, parse_plpgsql, parse_sql

from pgerase.catalog.model import Name, Table
from pgerase.compile.sql import dollar_tag

_DECLARED = re.compile(r"^    (v_\w+) (?!record;|:=).*;$", re.MULTILINE)
_RETURNED = re.compile(r"\breturn v_\w+;")
_MADE = "(person text, state text, profile text, relation text, strategy text, hits bigint)"
"""What our functions return; the parser has to know what is assigned to."""
_ASSIGNED = re.compile(r"\s*[\w.]+\s*:?=")
_EXPRESSION, _ASSIGNMENT = 2, 3
"""How PL/pgSQL reads a text (RawParseMode): 0 is a statement, 3 and above assign."""
_NEEDLESS = re.compile(r"\s*(lock|set) ", re.IGNORECASE)
_Scope = dict[str, Table | None]
"""What stands under an alias: a table, or something that another query makes."""


def used_columns(
    body: str, tables: Mapping[Name, Table], rows: Mapping[str, Table] | None = None
) -> Mapping[Name, tuple[str, ...]]:
    """The columns that the body of a function names, in the tables' order; `rows` are tables of PL/pgSQL rows such as `new`."""
    uses = _Uses(tables)
    outer: _Scope = dict(rows or {})
    for text in _queries(body):
        for statement in parse_sql(text):
            uses.visit(statement.stmt, (outer,))
    return {
        name: tuple(column.name for column in tables[name].columns if column.name in used)
        for name, used in sorted(uses.found.items())
        if used
    }


def _queries(body: str) -> Iterator[str]:
    """The statements of a body, expressions as queries of them."""
    # The types of variables are of no account, and the parser knows those of pg_catalog alone.
    plain = _RETURNED.sub("return;", _DECLARED.sub(r"    \1 text;", body))
    tag = dollar_tag(plain)
    function = f"create function pg_catalog.f() returns table {_MADE} language plpgsql as {tag}{plain}{tag}"
    for query, mode in _expressions(parse_plpgsql(function)):
        if mode >= _ASSIGNMENT:
            yield f"select {_ASSIGNED.sub('', query, count=1)}"
        elif mode == _EXPRESSION:
            yield f"select {query}"
        elif not _NEEDLESS.match(query):
            yield query


def _expressions(part: object) -> Iterator[tuple[str, int]]:
    if isinstance(part, list):
        for one in cast("list[object]", part):
            yield from _expressions(one)
    elif isinstance(part, dict):
        members = cast("dict[str, Any]", part)
        if isinstance(query := members.get("query"), str):
            yield query, members.get("parseMode", 0)
        else:
            for one in members.values():
                yield from _expressions(one)


class _Uses:
    def __init__(self, tables: Mapping[Name, Table]) -> None:
        self.tables = tables
        self.found: dict[Name, set[str]] = {}

    def visit(self, part: object, scopes: Sequence[_Scope]) -> None:
        """Note what a part of a statement uses; `scopes` is what it may name, innermost first."""
        match part:
            case list() | tuple():
                for one in cast("Iterable[object]", part):
                    self.visit(one, scopes)
            case ast.SelectStmt():
                self._inside(part, scopes, part.fromClause)
            case ast.UpdateStmt():
                self._inside(part, scopes, [part.relation, *(part.fromClause or ())])
                written = self._table(part.relation)
                for target in part.targetList or ():
                    if written is not None and target.name is not None:
                        self._use(written, target.name)
            case ast.DeleteStmt():
                self._inside(part, scopes, [part.relation, *(part.usingClause or ())])
            case ast.ColumnRef():
                self._name(part, scopes)
            case ast.Node():
                for slot in part:
                    self.visit(getattr(part, slot), scopes)
            case _:
                pass

    def _inside(self, statement: ast.Node, scopes: Sequence[_Scope], sources: Iterable[object] | None) -> None:
        scope: _Scope = {}
        for source in sources or ():
            self._declare(source, scope)
        for slot in statement:
            self.visit(getattr(statement, slot), (scope, *scopes))

    def _declare(self, source: object, scope: _Scope) -> None:
        match source:
            case ast.RangeVar():
                name = source.alias.aliasname if source.alias is not None else source.relname
                scope[str(name)] = self._table(source)
            case ast.JoinExpr():
                self._declare(source.larg, scope)
                self._declare(source.rarg, scope)
            case ast.RangeSubselect() | ast.RangeFunction() if source.alias is not None:
                scope[str(source.alias.aliasname)] = None
            case _:
                pass

    def _table(self, relation: ast.RangeVar | None) -> Table | None:
        if relation is None or relation.schemaname is None or relation.relname is None:
            return None
        return self.tables.get(Name(relation.schemaname, relation.relname))

    def _name(self, named: ast.ColumnRef, scopes: Sequence[_Scope]) -> None:
        *qualifier, last = named.fields or (None,)
        column = last.sval if isinstance(last, ast.String) else None
        if not qualifier:
            self._bare(column, scopes)
            return
        alias = qualifier[-1].sval if isinstance(qualifier[-1], ast.String) else None
        for scope in scopes:
            if alias in scope:
                if (table := scope[alias]) is not None:
                    self._use(table, column)
                return

    def _bare(self, column: str | None, scopes: Sequence[_Scope]) -> None:
        """A name alone is of the innermost query that has such a column, or a whole row of it; a star, of the innermost."""
        for scope in scopes:
            tables = [table for table in scope.values() if table is not None]
            if column is None:
                held = tables
            elif column in scope:
                held, column = [table for table in [scope[column]] if table is not None], None
            else:
                held = [table for table in tables if table.column(column) is not None]
            for table in held:
                self._use(table, column)
            if held or column is None:
                return

    def _use(self, table: Table, column: str | None) -> None:
        """A column, or None for all of them."""
        known = {one.name for one in table.columns}
        self.found.setdefault(table.name, set()).update(known if column is None else known & {column})
