"""Who of the staff could look at one person's data, as frozen values: for officers; people ask the database themselves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pgerase.operate.register import Register


@dataclass(frozen=True, slots=True)
class Returned:
    """Rows of one resource that a ticket was taken for, and that it returned at most: nothing tells whether it was read by.

    `rows` is None where how many is no longer known, as the person was erased.
    """

    at: datetime
    resource: str
    rows: int | None


@dataclass(frozen=True, slots=True)
class Sight:
    """One time when somebody of the staff could look. `kind` is support or break glass; `staff` None where names are kept.

    `until` is when it was to end, `closed_at` when it was closed before. `reachable` are the links that grants open besides the
    person's own row, as the rules said when it was opened.
    """

    number: int
    kind: str
    since: datetime
    until: datetime
    closed_at: datetime | None
    reason: str | None
    ticket: str | None
    reachable: tuple[str, ...]
    returned: tuple[Returned, ...]
    staff: str | None


def who_saw(register: Register, subject: str, key: str) -> tuple[Sight, ...]:
    """Who could look at this person's data, the last first. Raises DatabaseFailed."""
    with register.answering():
        rows = register.call("who_saw", subject, key)
    return tuple(
        Sight(
            number=row["access"],
            kind=row["kind"],
            since=row["since"],
            until=row["until"],
            closed_at=row["closed_at"],
            reason=row["reason"],
            ticket=row["ticket"],
            reachable=tuple(row["reachable"]),
            returned=tuple(
                Returned(datetime.fromisoformat(one["at"]), one["resource"], one["rows"]) for one in row["returned"]
            ),
            staff=row["staff"],
        )
        for row in rows
    )
