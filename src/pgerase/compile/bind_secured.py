"""What rules cannot say of a materialized view or a foreign table: it is read through its secured view, and never written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pgerase.catalog.model import Table
from pgerase.errors import Finding, Position, Severity
from pgerase.rules.access import Resource
from pgerase.rules.conditions import Action

KINDS = {"f": "a foreign table", "m": "a materialized view"}
_WRITES = frozenset(Action) - {Action.READ}


def read_only(resource: Resource, table: Table) -> tuple[Finding, ...]:
    """Everything that speaks of writing, each by name and place."""
    return tuple(_found(resource, table))


def _found(resource: Resource, table: Table) -> Iterator[Finding]:
    def refuse(what: str, at: Position, hint: str) -> Finding:
        message = f"{what}, and {table.name} is {KINDS[table.kind]}: no policy can bind who writes it"
        return Finding("read-only", Severity.ERROR, resource.name, message, hint, at)

    if any(resource.everyone.covers(action) for action in _WRITES):
        yield refuse("everyone: write lets people write", resource.at, "Say everyone: read, or none.")
    for rule in resource.rules:
        if rule.can & _WRITES:
            yield refuse(f"the rule {rule.name} says can: {_words(rule.can & _WRITES)}", rule.at, "Say can: [read].")
    for requirement in resource.require:
        # All of them is what a requirement without can: binds; there is nothing to leave out of it.
        if requirement.can != frozenset(Action) and requirement.can & _WRITES:
            what = f"the requirement {requirement.name} says can: {_words(requirement.can & _WRITES)}"
            yield refuse(what, requirement.at, "Say can: [read], or leave can out.")
    for entry in resource.hand_over:
        yield refuse(f"hand_over: {entry.column} changes rows", entry.at, "Leave it out.")
    for right in resource.columns:
        if right.insert is not None or right.update is not None:
            yield refuse(f"columns: {right.column} says who writes it", right.at, "Say who reads it, or leave it out.")


def _words(actions: Iterable[Action]) -> str:
    return ", ".join(action for action in Action if action in set(actions))
