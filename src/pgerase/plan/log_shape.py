"""What the audit log's own tables are made of: columns, defaults, constraints and indexes, against what install makes. Pure.

What a table evaluates while it is written runs as the log's owner, and what it no longer demands lets anything in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pgerase.catalog.model import Column, Index, Name, Table
from pgerase.errors import Finding, Severity
from pgerase.render.fragments import quote_identifier

_NOT_NULL_BOUND = r"\((?:class|at) IS NOT NULL\)"
_CLASS_BOUND = r"\(class = '(?:[^']|'')*'::text(?: COLLATE \"C\")?\)"
_TIME_BOUND = r"\(at (?:>=|<) '[^']*'::timestamp with time zone\)"
_BOUND = f"(?:{_NOT_NULL_BOUND}|{_CLASS_BOUND}|{_TIME_BOUND})"
_BOUNDS = re.compile(rf"CHECK \(\({_BOUND}(?: AND {_BOUND})*\)\)")
"""What detaching a partition leaves: the bounds it had. By these it is known when it is due."""
_NOT_NULL_KIND = "n"
"""From 18 NOT NULL is a constraint, before it is none; columns tell of it in all."""


@dataclass(frozen=True, slots=True)
class LogShape:
    """What one table is made of. `indexes` are spelled from USING on, with what they are before it, without a name."""

    columns: Mapping[str, str]
    constraints: Mapping[str, str]
    indexes: Sequence[str]


@dataclass(frozen=True, slots=True)
class LogShapes:
    """What install makes: its tables by name, and the indexes that each partition of entry, value and leaf gets."""

    tables: Mapping[str, LogShape]
    parts: Mapping[str, Sequence[str]]


def shape_of(table: Table) -> LogShape:
    """What a table is made of."""
    return LogShape(
        columns={column.name: _spelled(column, table) for column in table.columns},
        constraints={one.name: one.definition for one in table.constraints if one.kind != _NOT_NULL_KIND},
        indexes=sorted(map(_spelled_index, _indexes_of(table))),
    )


def shape_drift(table: Table, shape: LogShape) -> Iterator[Finding]:
    """Differences of a table that install makes."""
    yield from _columns(table, shape.columns)
    found = shape_of(table).constraints
    for name, definition in shape.constraints.items():
        if found.get(name) == definition:
            continue
        message = f"constraint {name}: expected {definition}, found: {found.get(name, 'nothing')}"
        drop = f" drop constraint {quote_identifier(name)}," if name in found else ""
        again = f"alter table {_quoted(table.name)}{drop} add constraint {quote_identifier(name)} {definition};"
        yield _error("log-constraint", table.name, message, again)
    yield from _more(table, {name: one for name, one in found.items() if name not in shape.constraints})
    yield from _indexes(table, shape.indexes)


def part_drift(table: Table, root: LogShape, indexes: Sequence[str], *, is_leaf: bool) -> Iterator[Finding]:
    """Differences of a class of entries, or of a partition, from the table it is a part of; attached or detached."""
    yield from _columns(table, root.columns, is_part=True)
    found = shape_of(table).constraints
    yield from _more(table, {name: one for name, one in found.items() if not _BOUNDS.fullmatch(one)})
    yield from _indexes(table, indexes if is_leaf else ())


def _columns(table: Table, expected: Mapping[str, str], *, is_part: bool = False) -> Iterator[Finding]:
    spelled = _quoted(table.name)
    for column in table.columns:
        wanted, found = expected.get(column.name), _spelled(column, table)
        if wanted is None:
            message = f"expected no column {column.name}, found: {found}"
            yield _error("log-column", table.name, message, "Drop it.")
            continue
        # From 17 partitions have the numbers of the table they are a part of, before it none.
        if wanted == found or (is_part and wanted == f"{found}{_IDENTITY['a']}"):
            continue
        message = f"column {column.name}: expected {wanted}, found: {found}"
        alter = f"alter table {spelled} alter column {quote_identifier(column.name)}"
        bare, default = _halves(wanted)
        found_bare, found_default = _halves(found)
        if bare == found_bare:
            again = f"{alter} set default {default};" if default else f"{alter} drop default;"
            yield _error("log-default", table.name, message, again)
        elif default == found_default and bare == f"{found_bare}{_NOT_NULL}":
            yield _error("log-not-null", table.name, message, f"{alter} set not null;")
        else:
            yield _error("log-column", table.name, message, _BY_HAND)
    for name in sorted(expected.keys() - {column.name for column in table.columns}):
        message = f"column {name}: expected {expected[name]}, found: nothing"
        yield _error("log-column", table.name, message, _BY_HAND)


def _more(table: Table, constraints: Mapping[str, str]) -> Iterator[Finding]:
    """Constraints that nobody of ours made: a check runs whatever it names, a foreign key asks and locks another table."""
    keys = {one.name: f"a foreign key to {_quoted(one.target)}" for one in table.foreign_keys}
    for name, definition in sorted({**constraints, **keys}.items()):
        message = f"expected no constraint {name}, found: {definition}"
        drop = f"alter table {_quoted(table.name)} drop constraint {quote_identifier(name)};"
        yield _error("log-constraint", table.name, message, drop)


def _indexes(table: Table, expected: Sequence[str]) -> Iterator[Finding]:
    missing = list(expected)
    for index in _indexes_of(table):
        spelled = _spelled_index(index)
        if spelled in missing:
            missing.remove(spelled)
            continue
        name = f"{quote_identifier(table.name.schema)}.{quote_identifier(index.name)}"
        message = f"expected no index {index.name}, found: {spelled}"
        yield _error("log-index", table.name, message, f"drop index {name};")
    for one in missing:
        unique, _, rest = one.rpartition("USING ")
        made = f"create {unique.lower()}index on {_quoted(table.name)} using {rest};"
        yield _error("log-index", table.name, f"index: expected {one}, found: nothing", made)


_NOT_NULL = " not null"
_DEFAULT = " default "
_IDENTITY = {"a": " generated always as identity", "d": " generated by default as identity", "": ""}
_BY_HAND = "Compare it with what `pgerase install` makes in an empty database."


def _spelled(column: Column, table: Table) -> str:
    """A column without its name, as SQL would make it."""
    text = column.type
    if column.collation not in {None, "default"}:
        text += f" collate {column.collation}"
    if column.not_null:
        # Of a table with parts, their own columns tell.
        text += f"{_NOT_NULL} not valid" if column.may_hold_null and table.kind == "r" else _NOT_NULL
    if column.generated:
        return f"{text} generated as ({column.default})"
    text += _IDENTITY[column.identity]
    return text if column.default is None else f"{text}{_DEFAULT}{column.default}"


def _halves(spelled: str) -> tuple[str, str]:
    bare, _, default = spelled.partition(_DEFAULT)
    return bare, default


def _indexes_of(table: Table) -> list[Index]:
    """Without those of constraints, which come and go with them."""
    constraints = {one.name for one in table.constraints}
    return [index for index in table.indexes if index.name not in constraints]


def _spelled_index(index: Index) -> str:
    """An index without its name, which differs from partition to partition, and whether it is of use."""
    text = index.definition
    using = text[text.index(" USING ") + 1 :]
    return f"{'UNIQUE ' if index.unique else ''}{using}{'' if index.valid else ' (invalid)'}"


def _quoted(name: Name) -> str:
    return f"{quote_identifier(name.schema)}.{quote_identifier(name.name)}"


def _error(code: str, name: Name, message: str, hint: str) -> Finding:
    return Finding(code, Severity.ERROR, f"table {_quoted(name)}", message, hint)
