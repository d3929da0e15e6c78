"""What the writers of capture have in common: the events, the terms, and pieces of statements. Text in, text out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pgerase.catalog.model import Column, Name
from pgerase.compile.audit import values
from pgerase.compile.audit.bound import BoundCapture
from pgerase.compile.naming import Naming
from pgerase.compile.sql import fit_name, ident, indent, qualified, text_literal

INSERT, UPDATE, DELETE, TRUNCATE = "insert", "update", "delete", "truncate"
EVENTS = (INSERT, UPDATE, DELETE, TRUNCATE)
OLD, NEW = "old", "new"
ROWS = {OLD: "old_rows", NEW: "new_rows"}
"""The names of the transition tables."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What capture of every table has in common.

    `required`: a write that nobody answers for is refused. `granted`: the pack has support access, and entries name the grant.
    """

    naming: Naming
    server_version: int
    required: bool
    granted: bool


class Writer:
    """Whoever writes SQL about one table: what is captured of it, on which terms."""

    def __init__(self, capture: BoundCapture, terms: Terms) -> None:
        self._capture = capture
        self._naming = terms.naming
        self._version = terms.server_version
        self._required = terms.required
        self._granted = terms.granted
        self._profiled = capture.keep.person is not None
        self._relation = quoted(qualified(capture.table.name))

    @property
    def _looks_first(self) -> bool:
        """Whether types are looked at in a statement before the one that writes: profiles need the people's keys before."""
        return self._profiled

    def _known(self, row: str) -> str | None:
        """Whether the types of what is read are known, of a row of this name."""
        return values.known_types(self._capture.read, row, qualified(Name(self._naming.log, "type_of")))

    def _where_known(self, row: str) -> str:
        """The condition, of the statement that writes, that the types are known: nothing of others is evaluated for such rows."""
        known = None if self._looks_first else self._known(row)
        return "" if known is None else f"\nwhere {known}"


def bracketed(*items: str) -> str:
    """A row of VALUES, a line an item."""
    listed = ",\n".join(items)
    return f"(\n    {indent(listed)}\n)"


def query(selected: Sequence[str], rest: str) -> str:
    """A SELECT, a line an item; `rest` begins with FROM."""
    listed = ",\n".join(selected)
    return f"select\n    {indent(listed)}\n{rest}"


def lateral(items: Sequence[str], alias: str) -> str:
    """A lateral SELECT without a source, joined to what is before it."""
    inline = f"\n    cross join lateral (select {', '.join(items)}) as {alias}"
    if len(items) == 1 and "\n" not in inline[1:]:
        return inline
    listed = ",\n".join(items)
    return f"\n    cross join lateral (\n        select\n            {indent(listed, 12)}\n    ) as {alias}"


def unchanged(columns: Iterable[Column], source: str, prefix: str) -> str:
    """The names of the columns that are the same, for taking them out of the row; nulls take nothing."""
    listed = ",\n".join(
        f"case when {source}.{ident(fit_name(prefix + column.name))} then {quoted(column.name)} end"
        for column in columns
    )
    return f"array[\n    {indent(listed)}\n]"


def fields(row: str, columns: Iterable[Column], prefix: str = "") -> list[str]:
    """Columns of a row, whose names there begin with `prefix`."""
    return [f"{row}.{ident(fit_name(prefix + column.name))}" for column in columns]


def quoted(value: str) -> str:
    """A literal."""
    return text_literal(value).strip()
