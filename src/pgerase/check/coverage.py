"""What is captured on a database, and what of it is not: read from the triggers and from what they say of themselves. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pgerase.catalog.model import Catalog, Name, Table, Trigger
from pgerase.check.spelling import nearest
from pgerase.errors import Finding, Severity
from pgerase.rules.audit import Uncaptured
from pgerase.rules.names import TableName

_MARK = re.compile(r"\[pgerase capture=(\{[^\]]*\})\]\s*\Z")
_FIRES = frozenset({"O", "A"})
"""Triggers that fire in ordinary sessions, as pg_trigger spells it."""
_EVENTS = ("insert", "update", "delete", "truncate")
_LEFT_OUT = "excluded"
"""Said of columns that no function of capture reads."""


class Why(StrEnum):
    """Why somebody should write a table down, as said of it."""

    CAPTURE = "is named under capture: in audit.yaml, and not applied yet"
    RESOURCE = "is governed, and nobody writes down what happens to it"
    PEOPLE = "is in the data map, and nobody writes down what happens to it"


@dataclass(frozen=True, slots=True)
class Captured:
    """A captured table, with what was said of each column when it was last applied: plain, masked, personal or excluded."""

    table: Name
    columns: Mapping[str, str]


def captured_tables(catalog: Catalog, prefix: str) -> Mapping[Name, Captured]:
    """The tables that are captured by triggers of their own, without those that are captured as a part of another."""
    marks = {
        routine.name: json.loads(found.group(1))
        for routine in catalog.routines
        if routine.name.schema == f"{prefix}_log" and (found := _MARK.search(routine.comment)) is not None
    }
    triggered = {
        name: marks[trigger.function]
        for name, table in catalog.tables.items()
        for trigger in table.triggers
        if trigger.function in marks
    }
    return {
        name: Captured(name, columns)
        for name, columns in sorted(triggered.items())
        if not any(parent in triggered for parent in catalog.tables[name].parents)
    }


def left_out(wanted: Iterable[Name], captured: Iterable[Name], uncaptured: Sequence[Uncaptured]) -> Mapping[Name, str]:
    """Of the `wanted` tables that are not captured those that audit.yaml leaves out on purpose, with the reason; the first that fits."""
    found = {
        name: next((one.reason for one in uncaptured if one.tables.matches(TableName(name.name, name.schema))), None)
        for name in sorted({*wanted} - {*captured})
    }
    return {name: reason for name, reason in found.items() if reason is not None}


def unmatched(catalog: Catalog, uncaptured: Sequence[Uncaptured]) -> tuple[Finding, ...]:
    """What audit.yaml leaves out on purpose and is not there: a slip, or a table that has gone."""
    there = [TableName(name.name, name.schema) for name in catalog.tables]
    return tuple(
        Finding(
            "uncaptured-nothing",
            Severity.WARNING,
            str(one.tables),
            f"uncaptured: {one.tables} is the name of no table",
            _meant(one, there),
            one.at,
        )
        for one in uncaptured
        if not any(one.tables.matches(table) for table in there)
    )


def _meant(uncaptured: Uncaptured, there: Iterable[TableName]) -> str:
    schema = uncaptured.tables.schema
    names = {table.name: table for table in there if schema in (None, table.schema)}
    near = nearest("*".join(uncaptured.tables.pieces), names)
    return "Take it out, or correct it." if near is None else f"Did you mean {names[near]}?"


def coverage(
    catalog: Catalog, prefix: str, wanted: Mapping[Name, Why] | None = None, uncaptured: Sequence[Uncaptured] = ()
) -> tuple[Finding, ...]:
    """What nobody writes down: of the `wanted` tables, of tables below captured ones, and of columns. Sorted by object.

    Tables that are `uncaptured` on purpose are none.
    """
    captured = captured_tables(catalog, prefix)
    wanted = wanted or {}
    found = [finding for one in captured.values() for finding in _gaps(catalog, prefix, one)]
    covered = {name for top in captured for name in (top, *catalog.leaves(top))}
    on_purpose = left_out(wanted, covered, uncaptured)
    for name, why in wanted.items():
        if name not in covered and name not in on_purpose:
            hint = f'In audit.yaml name it under capture:, and apply; or say why not: uncaptured: {{{name}: "…"}}.'
            hint = "Apply." if why is Why.CAPTURE else hint
            hint = hint if f"{prefix}_log" in catalog.schemas else f"Run `pgerase install` first. {hint}"
            found.append(Finding("not-captured", Severity.WARNING, str(name), f"{name} {why}", hint))
    return tuple(sorted(found, key=lambda finding: (finding.subject, finding.code, finding.message)))


def _gaps(catalog: Catalog, prefix: str, captured: Captured) -> Iterator[Finding]:
    for name in (captured.table, *catalog.leaves(captured.table)):
        table = catalog.tables[name]
        triggers = {one.name: one for one in table.triggers}
        missing = [event for event in _expected(table) if f"{prefix}_capture_{event}" not in triggers]
        off = [event for event in _expected(table) if _is_off(triggers.get(f"{prefix}_capture_{event}"))]
        if missing and name != captured.table:
            message = f"what is written to {name}, below {captured.table}, by its own name is not captured: {', '.join(missing)}"
            yield _error("uncaptured-leaf", name, message, "Apply again.")
        elif missing:
            yield _error("missing-trigger", name, f"{name} is not captured: {', '.join(missing)}", "Apply again.")
        if off:
            message = f"{name} is not captured, its triggers are switched off: {', '.join(off)}"
            yield _error(
                "disabled-trigger", name, message, "Look who did it, and enable them: alter table … enable trigger …"
            )
    columns = catalog.tables[captured.table].columns
    for lost in sorted(
        {name for name, how in captured.columns.items() if how != _LEFT_OUT} - {column.name for column in columns}
    ):
        message = (
            f"{captured.table}.{lost} is captured and gone: writes to {captured.table} fail until rules are applied"
        )
        hint = "Run `pgerase apply`; where audit.yaml names the column, change that first."
        yield Finding("missing-column", Severity.ERROR, f"{captured.table}.{lost}", message, hint)
    for column in columns:
        if column.name not in captured.columns and column.generated != "v":
            message = f"{captured.table}.{column.name} came after the last apply and is not captured"
            hint = "Say in audit.yaml if it is to be left out, masked or kept apart, and apply."
            yield Finding("uncaptured-column", Severity.ERROR, f"{captured.table}.{column.name}", message, hint)


def _expected(table: Table) -> tuple[str, ...]:
    """The events for which a table has a trigger: emptying a parent fires those of the tables with the rows."""
    return _EVENTS if table.kind == "r" else _EVENTS[:3]


def _is_off(trigger: Trigger | None) -> bool:
    return trigger is not None and trigger.enabled not in _FIRES


def _error(code: str, name: Name, message: str, hint: str) -> Finding:
    return Finding(code, Severity.ERROR, str(name), message, hint)
