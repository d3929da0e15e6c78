"""A matrix as text, CSV, HTML and JSON. Says what is in it; decides nothing."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from pgerase.explain.model import Cell, Line, Matrix, ResourceColumn
from pgerase.render.page import page
from pgerase.report.findings import printable
from pgerase.rules.conditions import Action

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What spreadsheets take for the beginning of a formula."""


def matrix_lines(matrix: Matrix) -> list[str]:
    """A line for everybody and every resource, aligned; actions side by side."""
    head = ["who", "resource", "rows", *(action.value for action in matrix.actions)]
    rows = [head]
    for line, cells in zip(matrix.lines, matrix.cells, strict=True):
        by_column = [cells[start : start + len(matrix.actions)] for start in range(0, len(cells), len(matrix.actions))]
        rows += [
            [printable(_who(line)), printable(column.resource), str(column.rows), *(_text(cell) for cell in found)]
            for column, found in zip(matrix.columns, by_column, strict=True)
        ]
    widths = [max(len(row[number]) for row in rows) for number in range(len(head))]
    lines = [
        "  ".join(
            text.ljust(width) if number < 2 else text.rjust(width)
            for number, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [*lines, *(printable(note) for note in _notes(matrix))]


def matrix_csv(matrix: Matrix) -> str:
    """A record for everybody, every resource and action. What a spreadsheet would take for a formula gets an apostrophe before it."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(
        [
            *("kind", "who", "looked", "people", "resource", "table", "rows", "action"),
            *("low", "high", "expected_low", "expected_high", "differs"),
        ]
    )
    for line, column, action, cell in _each(matrix):
        found = (cell.low, cell.high, cell.expected_low, cell.expected_high)
        writer.writerow(
            [
                *map(_cell, (line.kind, line.name)),
                *(line.looked, line.people),
                *map(_cell, (column.resource, column.table)),
                *(column.rows, action.value, *found, "yes" if cell.differs else "no"),
            ]
        )
    return written.getvalue()


def matrix_html(matrix: Matrix) -> str:
    """A page that needs nothing but itself."""
    return page(
        "report/matrix",
        pack=printable(matrix.pack),
        database=printable(matrix.database),
        about="Rows that each may read or change, as the database counts them; in brackets how many there are.",
        actions=[action.value for action in matrix.actions],
        columns=[(printable(column.resource), printable(column.table), column.rows) for column in matrix.columns],
        lines=[
            (printable(_who(line)), [(_text(cell), cell.differs) for cell in cells])
            for line, cells in zip(matrix.lines, matrix.cells, strict=True)
        ],
        notes=[
            printable(note) for note in (*_notes(matrix), *(f"{one.subject}: {one.message}" for one in matrix.findings))
        ],
    )


def matrix_data(matrix: Matrix) -> dict[str, Any]:
    """The matrix as JSON has it."""
    return {
        "command": "matrix",
        "pack": matrix.pack,
        "database": matrix.database,
        "counts": [
            {
                "kind": line.kind,
                "who": line.name,
                "looked": line.looked,
                "people": line.people,
                "resource": column.resource,
                "table": column.table,
                "rows": column.rows,
                "action": action.value,
                "low": cell.low,
                "high": cell.high,
                "expected_low": cell.expected_low,
                "expected_high": cell.expected_high,
                "differs": cell.differs,
            }
            for line, column, action, cell in _each(matrix)
        ],
        "not_in_force": [{"resource": name, "mode": mode} for name, mode in matrix.not_in_force],
    }


def _each(matrix: Matrix) -> Iterator[tuple[Line, ResourceColumn, Action, Cell]]:
    places = [(column, action) for column in matrix.columns for action in matrix.actions]
    for line, cells in zip(matrix.lines, matrix.cells, strict=True):
        for (column, action), cell in zip(places, cells, strict=True):
            yield line, column, action, cell


def _who(line: Line) -> str:
    if line.kind == "group":
        return f"group {line.name} ({line.looked} of {line.people})"
    return f"viewer {line.name}" if line.kind == "viewer" else f"{line.name}: {line.kind}"


def _text(cell: Cell) -> str:
    """A count, or the fewest and the most; in the rules' meaning where nobody counted, or both where they differ."""
    found, expected = _span(cell.low, cell.high), _span(cell.expected_low, cell.expected_high)
    if cell.differs:
        return f"{found}, NOT {expected}"
    if found:
        return found
    return f"({expected})" if expected else "-"


def _span(low: int | None, high: int | None) -> str:
    if low is None or high is None:
        return ""
    return str(low) if low == high else f"{low}-{high}"


def _notes(matrix: Matrix) -> Iterator[str]:
    if any(cell.low is None and cell.expected_low is not None for cells in matrix.cells for cell in cells):
        yield "(n): by the rules alone, where the database cannot count without doing it."
    if any(line.kind == "group" for line in matrix.lines):
        yield "Of a group: the fewest and the most rows of the members that were looked as."
    if matrix.not_in_force:
        listed = ", ".join(f"{name} ({mode})" for name, mode in matrix.not_in_force)
        yield f"Not in force, and not counted: {listed}."


def _cell(text: str) -> str:
    # What spaces take the place of begins no formula any more: it is looked for first.
    return f"'{printable(text)}" if text.startswith(_FORMULA) else printable(text)
