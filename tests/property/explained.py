"""Explanations of drawn cases: they come to what is decided, and every reason's truth follows from its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from typing import Any

from pgerase.meaning.reasons import Distances, Join, Kind, Reason, follows, walk
from pgerase.rules.conditions import Action
from tests.property.laboratory import Expectation, Mismatch, Viewer
from tests.property.world import RID

ROWS = 1
"""Rows of a table that are explained for a viewer and an action: other ones in each case."""
GRANTS = {Kind.SUPER_ADMIN, Kind.EVERYONE, Kind.RULE, Kind.SUPPORT_GRANT}


def explained(expectation: Expectation, viewer: Viewer, table: str, start: int) -> Iterator[Mismatch]:
    """Everything that is wrong with what is said about a few rows, of which `start` chooses the first."""
    session, name = expectation.session(viewer), expectation.compiled.resources[table]
    stored = {row[RID]: row for row in expectation.stored.rows[table]}
    changed = [row for row in expectation.stored.changed[table] if row[RID] in stored]

    def some(rows: list[Any]) -> list[Any]:
        return list(islice(cycle(rows), start, start + min(ROWS, len(rows)))) if rows else []

    questions: list[tuple[Action, dict[str, Mapping[str, Any]]]] = []
    for action in (Action.READ, Action.UPDATE, Action.DELETE):
        questions += [(action, {"row": row}) for row in some([*stored.values()])]
    questions += [(Action.UPDATE, {"row": stored[new[RID]], "new": new}) for new in some(changed)]
    questions += [(Action.INSERT, {"new": new}) for new in some(expectation.stored.new[table])]
    for action, rows in questions:
        # Raises where the reasons come to something else than the decision, which is compared with the database.
        reason = expectation.meaning.explain(session, name, action, **rows)
        decided = expectation.meaning.decide(session, name, action, **rows)
        wrong = [*faults(reason)]
        if reason.truth is not decided:
            wrong.append(f"explained as {reason.truth}")
        if decided and len(rows) == 1:
            (row,) = rows.values()
            named, combined = _grants(reason)
            granting = {*expectation.meaning.granted_by(session, name, action, row)}
            # What `combine` did not need is told by granted_by alone.
            if named - granting or (not combined and named != granting):
                wrong.append(f"{sorted(named)} is said to grant it, and {sorted(granting)} does")
        for fault in wrong:
            yield Mismatch(viewer, table, "explain", f"{action} {sorted(rows)}: {fault}", "no fault")


def faults(answer: Reason) -> Iterator[str]:
    """What is wrong with a tree of reasons by itself."""
    distances = Distances()
    for reason in walk(answer):
        if not follows(reason):
            yield f"{reason.kind} {reason.name} does not follow from its parts"
        if (distances.of(reason) == 0) is not (reason.truth is True):
            yield f"{reason.kind} {reason.name} is {distances.of(reason)} away from true and {reason.truth}"
    if answer.truth is True and not any(reason.kind in GRANTS for reason in _true_chain(answer)):
        yield "allowed, and nothing is said to grant it"
    if answer.truth is not True and not any(_ends(reason) for reason in _failing(answer)):
        yield "denied, and nothing is said to be missing"


def _true_chain(reason: Reason) -> Iterator[Reason]:
    """What is reached from the answer through reasons that hold."""
    if reason.truth is True:
        yield reason
        for part in reason.parts:
            if reason.join is not Join.NOT:
                yield from _true_chain(part)


def _failing(reason: Reason) -> Iterator[Reason]:
    if reason.truth is not True:
        yield reason
        for part in reason.parts:
            yield from _failing(part)


def _ends(reason: Reason) -> bool:
    return reason.join is Join.FACT or reason.join is Join.NOT or not reason.parts


def _grants(answer: Reason) -> tuple[set[str], bool]:
    """What is said to grant, in the words of `granted_by`, by the first decision about the row itself; and whether `combine` chose."""
    decision = next(reason for reason in walk(answer) if reason.kind is Kind.DECISION)
    found: set[str] = set()
    combined: list[Reason] = []

    def collect(reason: Reason) -> None:
        if reason.kind is Kind.COMBINE:
            combined.append(reason)
        match reason.kind:
            case Kind.SUPER_ADMIN if reason.truth is True:
                found.add("super admin")
            case Kind.EVERYONE if reason.truth is True:
                found.add("everyone")
            case Kind.RULE | Kind.PARENT if reason.truth is True:
                found.add(reason.name)
            case Kind.SUPPORT_GRANT if reason.truth is True:
                found.add(f"support grant {reason.key}")
            case Kind.GRANT | Kind.UNION | Kind.OWN | Kind.COMBINE | Kind.EXPRESSION | Kind.SUPPORT:
                for part in reason.parts:
                    collect(part)
            case _:
                return

    collect(decision.parts[-1])
    return found, bool(combined)
