"""Rights on columns: point 40 of docs/meaning.md. They restrict what decisions allow, super admins too, and never through reach."""

from __future__ import annotations

from collections.abc import Sequence

from pgerase.catalog.model import Table
from pgerase.errors import PgeraseError
from pgerase.meaning.conditions import Conditions, May, names_viewer, rows_scope
from pgerase.meaning.paths import Row
from pgerase.meaning.people import People
from pgerase.rules.access import ColumnGrant, ColumnRight, Resource
from pgerase.rules.conditions import Action

OTHERS = "*"


def column_grant(resource: Resource, column: str, action: Action) -> ColumnGrant | None:
    """What restricts an action on a column: its own entry where that mentions the action, else that for others; None: nothing."""
    for name in (column, OTHERS):
        for entry in resource.columns:
            grant = _given(entry, action) if entry.column == name else None
            if grant is not None:
                return None if grant.everyone is True else grant
    return None


def check_columns(resource: Resource, table: Table) -> None:
    """Raises PgeraseError where an entry names no column of the table."""
    for entry in resource.columns:
        if entry.column != OTHERS and table.column(entry.column) is None:
            raise PgeraseError(f"{entry.at}: {table.name} has no column {entry.column}")


def grants(
    grant: ColumnGrant | None,
    rows: Sequence[Row],
    viewer: Row | None,
    people: People | None,
    conditions: Conditions,
    may: May,
) -> bool:
    """Whether the viewer (None: a session without identity) has the right on all these rows; only true counts."""
    if grant is None:
        return True
    if grant.everyone is False:
        return False
    if grant.who is not None and (viewer is None or people is None or people.who(viewer, grant.who) is not True):
        return False
    if viewer is None and names_viewer(grant.rows):
        return False  # it asks about a viewer, and there is none (as point 11)
    return all(conditions.holds(grant.rows, rows_scope(row, viewer, may)) is True for row in rows)


def _given(entry: ColumnRight, action: Action) -> ColumnGrant | None:
    match action:
        case Action.READ:
            return entry.read
        case Action.INSERT:
            return entry.insert
        case Action.UPDATE:
            return entry.update
        case Action.DELETE:
            raise ValueError("rows are deleted, not columns")
