"""Pieces that the parts of an erasing statement are made of: named queries, ways in which rows are touched, and names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pgerase.catalog.model import Table
from pgerase.compile.erasure.bound import CHANGE, Backward, BoundSubject, Forward, Verb
from pgerase.compile.sql import fit_name, ident, indent, row_field

STRENGTH = ("delete", "reassign", "ghost", "unlink", "change", "keep")
"""What a row is counted as where one person has it by several links: the first that applies."""
NEEDED = "keep needed"
"""What becomes of a row that somebody else still needs."""
ROW = "t"
"""The alias of the row in question."""
BEFORE = "\0"
"""Stands in a new value for the value before, which other links may have made; no text of a map can hold it."""
AS_FOUND = "as_found"
"""The column of found rows that tells the version that was found."""


@dataclass(frozen=True, slots=True)
class Part:
    """One `name as (query)` of the statement, with its comment and what follows the query (a CYCLE clause)."""

    name: str
    query: str
    comment: str
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing that may become of a row by one link: its label, when (None: else), and the columns it changes.

    A new value may name the one before as BEFORE; see `alone`.
    """

    label: str
    when: str | None
    changes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """One way in which rows of a table are touched: what to join, whose number it gives, and what becomes of the row.

    `numbers`: where a row may be several people's, all of them; `points` are the columns that lead to a row that goes.
    """

    name: str
    joins: tuple[str, ...]
    number: str
    outcomes: tuple[Outcome, ...]
    comment: str
    numbers: str | None = None
    points: tuple[str, ...] = ()

    def joined(self, word: str) -> list[str]:
        return [f"{word} {one}" for one in self.joins]


def identity(table: Table) -> tuple[str, ...]:
    """The columns that tell rows apart: the primary key, another key without nulls, else where the row lies."""
    if table.primary_key:
        return table.primary_key
    for index in table.indexes:
        columns = [table.column(name) for name in index.columns[: index.key_count] if name is not None]
        if (
            index.unique
            and index.valid
            and not index.partial
            and len(columns) == index.key_count
            and all(column is not None and column.not_null for column in columns)
        ):
            return tuple(column.name for column in columns if column is not None)
    return ("tableoid", "ctid")


def key_text(subject: BoundSubject, alias: str) -> str:
    """A person's key as the ledger has it: its text, or a JSON array of texts."""
    return _key_text(subject, [f"{alias}.{ident(column.name)}" for column in subject.key])


def row_key_text(subject: BoundSubject, row: str) -> str:
    """The same of a PL/pgSQL row, in a body that goes through `plpgsql`."""
    return _key_text(subject, [row_field(row, column.name) for column in subject.key])


def _key_text(subject: BoundSubject, columns: Sequence[str]) -> str:
    if len(subject.key) == 1:
        return f"{columns[0]}::text"
    listed = ", ".join(f"{column}::text" for column in columns)
    return f"jsonb_build_array({listed})::text"


def alone(column: str, value: str) -> str:
    """A new value that nothing else has changed before."""
    return value.replace(BEFORE, f"{ROW}.{ident(column)}")


def ends(step: Forward | Backward) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns on this side of a step and on the other."""
    if isinstance(step, Forward):
        return step.hop.columns, step.hop.target_columns
    return step.hop.target_columns, step.hop.columns


def strategy_of(verb: str, *, last: bool = False) -> str:
    """What a verb counts as: a kept row that changes is changed; with `owners: last` all but the last have it kept."""
    if last:
        kept = f"{verb} like 'delete%' and each.number < found.deleted_by"
        changed = f"case when found.changes then '{CHANGE}' else '{Verb.KEEP}' end"
        return f"case when {kept} then {changed} else {strategy_of(verb)} end"
    return f"case when {verb} like 'keep%' and found.changes then '{CHANGE}' else split_part({verb}, ' ', 1) end"


def listed_long(items: Sequence[str]) -> str:
    """Items after commas; on a line each where one line would be long."""
    line = ", ".join(items)
    return line if len(line) <= 72 else "\n        " + ",\n        ".join(items) + "\n    "


def lateral(values: list[str], alias: str, names: list[str]) -> str:
    """Expressions over the rows before, given names."""
    columns = ", ".join(ident(name) for name in names)
    listed = ",\n    ".join(indent(value) for value in values)
    return f"cross join lateral (values (\n    {listed}\n)) as {alias} ({columns})"


def key_name(column: str) -> str:
    """The column of a part of the key among the people: its own name may be one of theirs (`number`, `token`, `person`)."""
    return fit_name(f"key_{column}")


def key_names(subject: BoundSubject) -> tuple[str, ...]:
    """The columns of the key among the people, in its order."""
    return tuple(key_name(name) for name in subject.key_columns)


def unlike(wish: str, taken: Collection[str]) -> str:
    """The name wished for, or with a number where something else has it."""
    made, number = fit_name(wish), 1
    while made in taken:
        number += 1
        made = fit_name(f"{wish[:50]}_{number}")
    return made


def names_for(prefix: str, labels: Iterable[str], taken: Iterable[str] = ()) -> tuple[str, ...]:
    """Plain names, all of them different and none taken: of what the labels say, what can stand in a bare identifier."""
    used, made = set(taken), list[str]()
    for label in labels:
        plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in label.lower()).strip("_")
        made.append(unlike(f"{prefix}_{plain[:40]}", used))
        used.add(made[-1])
    return tuple(made)


def new_name(column: str) -> str:
    """The name of a column's new value."""
    return fit_name(f"new_{column}")
