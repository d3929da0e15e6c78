"""Where people stand, setting it, and what the ledger knows of them."""

from __future__ import annotations

from collections.abc import Sequence

from pgerase.errors import Refused
from pgerase.operate.model import Event, Person, RequestKind, State
from pgerase.operate.register import Register


def status(register: Register, subject: str, keys: Sequence[str]) -> tuple[Person, ...]:
    """Where these people stand, in key order, each once. Raises UsageError for an unknown subject, DatabaseFailed."""
    with register.answering():
        rows = register.call("people_status", subject, list(keys))
    return tuple(Person(row["person"], State(row["state"]), row["erased_at"]) for row in rows)


def set_state(register: Register, subject: str, keys: Sequence[str], state: State) -> int:
    """Make people ACTIVE or INACTIVE, all or none; how many were not so before.

    Raises Refused where one is missing or erased, or the subject has no lifecycle; UsageError; DatabaseFailed.
    """
    with register.answering(), register.database.transaction(isolation="read committed"):
        for person in status(register, subject, keys):
            if person.state in {State.MISSING, State.ERASED}:
                raise Refused(
                    f"{subject} {person.key} is {person.state.value}: nobody was changed",
                    hint="leave those out; `pgerase subject status` shows where people stand",
                )
        rows = register.call("set_people_state", subject, list(keys), state.value)
        return int(rows[0]["set_people_state"])


def history(register: Register, subject: str, keys: Sequence[str]) -> tuple[Event, ...]:
    """Everything the ledger knows about these people, oldest first for each. Raises UsageError for an unknown subject, DatabaseFailed."""
    rows = register.rows("history", subject=subject, keys=list(keys))
    if not rows:
        # Of a kind that the map names no longer there may be something; of one that it never named not.
        status(register, subject, ())
    return tuple(
        Event(
            key=row["key"],
            at=row["at"],
            what=row["what"],
            request=row["number"],
            kind=RequestKind(row["kind"]),
            reference=row["reference"],
            detail=row["detail"],
        )
        for row in rows
    )
