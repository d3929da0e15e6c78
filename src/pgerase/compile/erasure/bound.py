"""A data map bound to a database: subjects, the rows that are theirs, and what becomes of rows and columns.

The nodes say what; `statement` writes it as SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from pgerase.catalog.model import Column, Name, Table
from pgerase.compile.bound import BoundCondition, ColumnValue, Hop
from pgerase.errors import Position
from pgerase.rules.data_map import Treatment


class Verb(StrEnum):
    """What becomes of a row, as counts name it; a kept row whose columns change is counted as changed."""

    DELETE = "delete"
    UNLINK = "unlink"
    GHOST = "ghost"
    REASSIGN = "reassign"
    KEEP = "keep"


CHANGE = "change"


@dataclass(frozen=True, slots=True)
class BoundLifecycle:
    """The column that holds a person's state; the values are SQL literals."""

    column: str
    active: str
    inactive: str
    erased: str
    inactive_since: Column | None


@dataclass(frozen=True, slots=True)
class BoundSubject:
    """A kind of person. `identifiers` holds the columns of those identifiers that are single columns of the person's row."""

    name: str
    table: Table
    key: tuple[Column, ...]
    identifiers: Mapping[str, Column]
    manager: Column | None
    ghost: Mapping[str, str] | None
    """SQL literals by key column."""
    lifecycle: BoundLifecycle | None
    at: Position

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The names of the key's columns, in order."""
        return tuple(column.name for column in self.key)


# Which rows -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Forward:
    """From rows to the row that a lookup of theirs leads to."""

    hop: Hop


@dataclass(frozen=True, slots=True)
class Backward:
    """From rows to the rows of `table` whose `hop` leads to them. `fillers` are the literals that columns of the hop are filled with."""

    table: Table
    hop: Hop
    fillers: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RowPath:
    """How rows hang on a person: the columns at the end of `steps` hold the key, or an identifier.

    `whens` are conditions on the row after so many steps.
    """

    steps: tuple[Forward | Backward, ...]
    columns: tuple[str, ...]
    identifier: str | None
    whens: tuple[tuple[int, BoundCondition], ...] = ()

    @property
    def is_direct(self) -> bool:
        """Whether the row itself holds the person's key or identifier."""
        return not self.steps

    @property
    def finds_one(self) -> bool:
        """Whether a row has at most one person by this path."""
        return not any(isinstance(step, Backward) for step in self.steps)


# What becomes of them -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToManager:
    """The nearest manager who is active and not erased in the same request."""


@dataclass(frozen=True, slots=True)
class ToPool:
    """Somebody the row's path leads to."""

    value: ColumnValue


@dataclass(frozen=True, slots=True)
class ToValue:
    """These SQL values for link columns, by column; columns not named stay."""

    values: tuple[tuple[str, str], ...]


Candidate: TypeAlias = ToManager | ToPool | ToValue


@dataclass(frozen=True, slots=True)
class BoundRule:
    """A row rule: where `when` is true (None: always). `candidates` are what link columns may become, the first there is."""

    when: BoundCondition | None
    verb: Verb
    candidates: tuple[Candidate, ...]
    columns: tuple[tuple[str, tuple[Treatment, ...]], ...]
    marks: tuple[tuple[str, str], ...]
    at: Position


@dataclass(frozen=True, slots=True)
class BoundLink:
    """Rows of a table that are a person's. `is_self`: the person's own row. Its `columns` are those whose values are the person's."""

    subject: str
    label: str
    path: RowPath
    when: BoundCondition | None
    rules: tuple[BoundRule, ...]
    columns: tuple[str, ...]
    is_self: bool
    at: Position

    @property
    def may_delete(self) -> bool:
        """Whether some rule deletes rows."""
        return any(rule.verb is Verb.DELETE for rule in self.rules)


@dataclass(frozen=True, slots=True)
class BoundColumn:
    """A column and what is done to its values; `at` is its place in the map."""

    column: Column
    treatments: tuple[Treatment, ...]
    at: Position


class Gone(StrEnum):
    """What a row does when the row it points to is deleted; RESTRICT: it cannot be."""

    DELETE = "delete"
    UNLINK = "unlink"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class BoundReference:
    """Rows of `source` point to rows of the hop's target. `value` is what unlinking leaves, as SQL, by column.

    `gone` None means that nobody has said, and a constraint forbids deleting what is pointed to.
    """

    source: Name
    hop: Hop
    gone: Gone | None
    values: tuple[tuple[str, str], ...]
    constrained: bool
    label: str


@dataclass(frozen=True, slots=True)
class BoundMappedTable:
    """A table with personal data."""

    table: Table
    links: tuple[BoundLink, ...]
    columns: Mapping[str, BoundColumn]
    only_last: bool
    at: Position


@dataclass(frozen=True, slots=True)
class BoundMap:
    """A whole data map."""

    subjects: Mapping[str, BoundSubject]
    tables: Mapping[Name, BoundMappedTable]
    references: tuple[BoundReference, ...]
