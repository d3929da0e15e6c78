"""The register of requests: opening, listing, closing. What is done for them is done elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pgerase.database import Row
from pgerase.errors import Refused
from pgerase.operate.model import Outcome, Request, RequestKind
from pgerase.operate.register import Register


def open_request(
    register: Register,
    subject: str,
    keys: Sequence[str],
    *,
    kind: RequestKind = RequestKind.ERASURE,
    reference: str = "",
    received_at: datetime | None = None,
    missing_too: bool = False,
) -> Request:
    """Open a request about these people; a key given twice counts once. `received_at` None is now.

    `missing_too` accepts keys that belong to nobody, for what was left of people whose row is gone. Raises UsageError for a
    subject that is not in the applied data map, no keys, impossible keys, a reference that is none, or a date to come;
    Refused for keys that belong to nobody; DatabaseFailed.
    """
    with register.answering():
        rows = register.call(
            "open_request", kind.value, subject, list(keys), reference or None, received_at, missing_too
        )
        return read_request(register, rows[0]["open_request"])


def list_requests(register: Register, *, closed: bool = False) -> tuple[Request, ...]:
    """Open requests, the one due first first; with `closed`, then those that are closed. Raises DatabaseFailed."""
    return tuple(_request(row) for row in register.rows("requests", number=None, closed=closed))


def read_request(register: Register, number: int) -> Request:
    """One request, open or closed. Raises Refused where there is none of that number, DatabaseFailed."""
    rows = register.rows("requests", number=number, closed=True)
    if not rows:
        raise Refused(f"there is no request {number}", hint="`pgerase request list --all` shows every request")
    return _request(rows[0])


def close_request(register: Register, number: int, *, outcome: Outcome = Outcome.DONE) -> Request:
    """Close a request. Raises Refused where it is not open, or done is said of an erasure that is not; DatabaseFailed."""
    with register.answering():
        register.call("close_request", number, outcome.value)
    return read_request(register, number)


def retry_request(register: Register, number: int) -> int:
    """Make those of an erasure request who failed pending again; how many. Raises Refused where it is not open, DatabaseFailed."""
    with register.answering():
        return int(register.call("retry_people", number)[0]["retry_people"])


def _request(row: Row) -> Request:
    return Request(
        number=row["number"],
        kind=RequestKind(row["kind"]),
        subject=row["subject"],
        reference=row["reference"] or "",
        received_at=row["received_at"],
        due_on=row["due_on"],
        closed_at=row["closed_at"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        people=row["people"],
        pending=row["pending"],
        done=row["done"],
        failed=row["failed"],
    )
