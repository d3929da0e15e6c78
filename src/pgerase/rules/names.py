"""Names as rule files spell them: tables, columns, and paths through lookups. Values only; nothing is looked up here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """A table as written; `schema` is None where the file leaves it out."""

    name: str
    schema: str | None = None

    def __str__(self) -> str:
        return quote_part(self.name) if self.schema is None else f"{quote_part(self.schema)}.{quote_part(self.name)}"


@dataclass(frozen=True, slots=True, order=True)
class TableColumns:
    """Columns of one table, in order: one side of a reference. One column for a plain reference."""

    table: TableName
    columns: tuple[str, ...]

    def __str__(self) -> str:
        if len(self.columns) == 1:
            return f"{self.table}.{quote_part(self.columns[0])}"
        return f"{self.table}({', '.join(quote_part(column) for column in self.columns)})"


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One step forwards: the column, or the columns of a composite key, that lead on."""

    columns: tuple[str, ...]

    def __str__(self) -> str:
        if len(self.columns) == 1 and "," not in self.columns[0]:
            return quote_part(self.columns[0])
        # A quoted step that holds a comma is a composite, so a name that holds one is quoted inside the quotes again.
        inner = ", ".join(quote_part(column) for column in self.columns)
        return '"' + inner.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True, order=True)
class BackStep:
    """One step backwards: the rows of `table` whose `columns` point here (data maps only)."""

    table: TableName
    columns: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.table}({', '.join(quote_part(column) for column in self.columns)})"


@dataclass(frozen=True, slots=True, order=True)
class Path:
    """A column, reached through zero or more lookups. In access rules every step goes forwards."""

    steps: tuple[Step | BackStep, ...]

    def __str__(self) -> str:
        return ".".join(str(step) for step in self.steps)

    @property
    def lookups(self) -> tuple[Step | BackStep, ...]:
        """All steps but the last."""
        return self.steps[:-1]

    @property
    def column(self) -> str:
        """The single column at the end. Raises ValueError where the path ends in a composite key or a table."""
        last = self.steps[-1]
        if isinstance(last, BackStep) or len(last.columns) != 1:
            raise ValueError(f"{self} does not end in a single column")
        return last.columns[0]


def quote_part(part: str) -> str:
    """A name as rule files want it: bare where it holds no dot, comma, bracket or quote, else double-quoted."""
    if part and not any(mark in part for mark in '.,()[]"') and part == part.strip():
        return part
    return '"' + part.replace('"', '""') + '"'
