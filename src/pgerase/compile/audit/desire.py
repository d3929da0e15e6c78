"""compile_audit: `audit.yaml` and a catalog in, everything that capture needs in the database out."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Name
from pgerase.compile.audit.bind import bind_captures
from pgerase.compile.audit.bound import BoundCapture
from pgerase.compile.audit.classes import log_classes
from pgerase.compile.audit.functions import capture_function, function_name
from pgerase.compile.audit.pieces import DELETE, EVENTS, INSERT, NEW, OLD, ROWS, TRUNCATE, UPDATE, Terms
from pgerase.compile.desired import DesiredGrant, DesiredObject, DesiredTrigger
from pgerase.compile.erasure import Erasure
from pgerase.compile.naming import Naming
from pgerase.compile.sql import ident, qualified
from pgerase.errors import Finding, Severity
from pgerase.rules.audit import AuditRules, Context

_TABLES = {INSERT: (NEW,), UPDATE: (OLD, NEW), DELETE: (OLD,), TRUNCATE: ()}
"""The transition tables of each event."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What the database should hold for `audit.yaml`; nothing where a finding refuses it."""

    objects: tuple[DesiredObject, ...]
    findings: tuple[Finding, ...]
    captures: tuple[BoundCapture, ...] = ()


def compile_audit(rules: AuditRules, erasing: Erasure, catalog: Catalog, naming: Naming) -> Audit:
    """Classes of entries, and for each captured table its functions and the triggers on it and on everything below it."""
    captures, findings = bind_captures(rules, erasing.bound_map, catalog)
    decides = {capture.keep.person.subject: None for capture in captures if capture.keep.person is not None}
    findings = (*findings, *(one for subject in decides for one in erasing.undecided.get(subject, ())))
    if any(finding.severity is Severity.ERROR for finding in findings):
        return Audit((), findings)
    required = rules.log.context is Context.REQUIRED
    terms = Terms(naming, catalog.server_version, required, rules.support is not None)
    objects: list[DesiredObject] = [*log_classes(rules, captures)]
    if decides:
        objects.append(DesiredGrant("schema", ident(naming.eraser), "usage", naming.keeper))
    for capture in captures:
        mark = capture_mark(capture)
        objects += [capture_function(capture, event, terms, mark) for event in EVENTS]
    for capture in captures:
        objects += _triggers(capture, naming)
    return Audit(tuple(objects), findings, captures)


def capture_mark(capture: BoundCapture) -> str:
    """What the comments of a table's functions say of its columns: how each is captured, without a closing bracket in it."""
    said = {column.name: "excluded" for column in capture.table.columns}
    said |= {column.name: "plain" for column in capture.columns}
    said |= {column.name: "masked" for column in capture.masked}
    said |= {column.name: "personal" for column in capture.personal}
    text = json.dumps(said, separators=(",", ":")).replace("]", "\\u005d")
    return f"[pgerase capture={text}]"


def _triggers(capture: BoundCapture, naming: Naming) -> list[DesiredTrigger]:
    """Three on every relation that a statement may name; a fourth on those that hold rows, which emptying a parent fires too."""
    made: list[DesiredTrigger] = []
    holding = {leaf.name for leaf in (capture.table, *capture.leaves) if leaf.kind == "r"}
    for name in capture.triggered:
        made += [_trigger(capture, name, event, naming) for event in EVENTS if event != TRUNCATE or name in holding]
    return made


def _trigger(capture: BoundCapture, table: Name, event: str, naming: Naming) -> DesiredTrigger:
    name = naming.policy("capture", event)
    rows = " ".join(f"{side} table as {ROWS[side]}" for side in _TABLES[event])
    definition = (
        f"create trigger {ident(name)}\n"
        f"    after {event} on {qualified(table)}\n"
        + (f"    referencing {rows}\n" if rows else "")
        + "    for each statement\n"
        f"    execute function {qualified(function_name(capture, event, naming))}()"
    )
    comment = f"Captures {event} of {capture.table.name} ({capture.at}). [pgerase capture]"
    return DesiredTrigger(table, name, definition, comment)
