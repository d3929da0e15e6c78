"""The capture rules bound to a database: tables, columns, and whose values are kept apart. The nodes say what; `functions` writes it."""

from __future__ import annotations

from dataclasses import dataclass

from pgerase.catalog.model import Column, Name, Table
from pgerase.errors import Position


@dataclass(frozen=True, slots=True)
class Whose:
    """The person a row names: the kind of person, and the columns with the key, in the order of the subject's own."""

    subject: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class Apart:
    """Columns whose values are one person's, and kept apart for that person."""

    whose: Whose
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class LogClass:
    """How long entries are kept: the class they are written to, and those of people of a profile instead.

    `person` is who decides; None where nothing says whose rows are, and then `profiles` is empty.
    """

    name: str
    profiles: tuple[tuple[str, str], ...] = ()
    """Profiles, each with the name of its class."""
    person: Whose | None = None


@dataclass(frozen=True, slots=True)
class BoundCapture:
    """What is captured of one table.

    `columns` are captured with their values in entries, `masked` with the fact alone; those of `apart` go to people's own rows,
    columns of the key too, and `excluded` ones nowhere. `leaves` are all partitions and inheriting children below.
    """

    table: Table
    leaves: tuple[Table, ...]
    key: tuple[Column, ...]
    columns: tuple[Column, ...]
    masked: tuple[Column, ...]
    apart: tuple[Apart, ...]
    excluded: tuple[Column, ...]
    keep: LogClass
    at: Position

    @property
    def personal(self) -> tuple[Column, ...]:
        """Every column that is kept apart, in the order of the groups."""
        return tuple(column for group in self.apart for column in group.columns)

    @property
    def entry_key(self) -> tuple[Column, ...]:
        """The columns of the key that are nobody's own."""
        apart = set(self.personal)
        return tuple(column for column in self.key if column not in apart)

    @property
    def read(self) -> tuple[Column, ...]:
        """Every column that capture looks at, in the table's order."""
        named = {*self.key, *self.columns, *self.masked, *self.personal}
        named |= {column for group in self.apart for column in group.whose.columns}
        if self.keep.person is not None:
            named |= set(self.keep.person.columns)
        return tuple(column for column in self.table.columns if column in named)

    @property
    def widest(self) -> int:
        """How many columns the widest list of the statement for updates has, which is `changed` (see `changes`).

        Of each column the old value, the new one and whether they are the same, but of a masked one the last alone.
        """
        compared = {*self.columns, *self.masked, *self.personal}
        compared |= {column for group in self.apart for column in group.whose.columns}
        values = len(self.read) - len(self.masked)
        once = 1 + bool(self.columns or self.masked) + bool(self.apart) + 2 * self.moves
        return 2 * values + len(compared) + 4 * len(self.apart) + once

    @property
    def moves(self) -> bool:
        """Whether an update may take a row from one partition to another."""
        return self.table.kind == "p"

    @property
    def triggered(self) -> tuple[Name, ...]:
        """The table and everything below it: a statement fires the triggers of the relation that it names, and of no other."""
        return (self.table.name, *(leaf.name for leaf in self.leaves))
