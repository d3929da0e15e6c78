"""Support access as operators open, approve, close and review it, in the name of a viewer; every use is in the log with its login."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pgerase.database import Row, identifier
from pgerase.errors import DatabaseFailed, Refused
from pgerase.operate.people import status
from pgerase.operate.register import Register

_ALL = "`pgerase support list --all` shows all there is"


@dataclass(frozen=True, slots=True)
class Access:
    """A support grant. `person` is a key, `holder` and the others are keys of viewers."""

    number: int
    state: str
    kind: str
    holder: str
    subject: str
    person: str
    reason: str
    ticket: str
    opened_at: datetime
    until: datetime
    approved_by: str
    closed_by: str
    closed_at: datetime | None
    review_due: datetime | None
    reviewed_by: str
    verdict: str


def open_access(
    register: Register,
    subject: str,
    person: str,
    *,
    holder: str,
    until: datetime,
    reason: str = "",
    ticket: str = "",
    break_glass: bool = False,
) -> Access:
    """Open support access for a viewer. Raises Refused as the rules say, UsageError for terms that are none, DatabaseFailed."""
    kind = "break_glass" if break_glass else "normal"
    # Whoever may open the register may know what people are called; of the people themselves only the routine speaks.
    status(register, subject, ())
    with register.answering():
        rows = register.call("open_grant", kind, holder, subject, person, reason or None, ticket or None, until)
    return read_access(register, rows[0]["open_grant"])


def approve_access(register: Register, number: int, *, by: str) -> Access:
    """Approve break-glass access as a viewer. Raises Refused where he may not, DatabaseFailed."""
    with register.answering():
        register.call("approve_grant", number, by)
    return read_access(register, number)


def close_access(register: Register, number: int, *, by: str | None = None) -> Access:
    """Close support access, as a viewer or as an operator. Raises Refused where it is not open, DatabaseFailed."""
    try:
        with register.answering():
            register.call("close_grant", number, by)
    except Refused:
        # The routine answers viewers, who may not know which numbers there are; whoever may open the register lists all of them.
        found = read_access(register, number)
        if found.closed_at is not None or found.until <= register.now:
            raise Refused(f"support access {number} is over already: {found.state}", hint=_ALL) from None
        raise
    return read_access(register, number)


def review_access(register: Register, number: int, *, by: str, verdict: str) -> Access:
    """Review break-glass access as a viewer. Raises Refused where he may not, UsageError for no verdict, DatabaseFailed."""
    with register.answering():
        register.call("review_grant", number, by, verdict)
    return read_access(register, number)


def list_access(register: Register) -> tuple[Access, ...]:
    """All support access there ever was, the newest first. Raises DatabaseFailed."""
    return tuple(_access(row) for row in register.call("list_grants", None))


def read_access(register: Register, number: int) -> Access:
    """One support grant. Raises Refused where there is none of that number, DatabaseFailed."""
    for one in list_access(register):
        if one.number == number:
            return one
    raise Refused(f"there is no support access {number}", hint=_ALL)


def end_sessions(register: Register, holder: str) -> tuple[int, str]:
    """End the sessions of a holder whose login is his identity: how many, and what was not possible. Raises DatabaseFailed."""
    installed = register.database.value(f"select identity from {identifier(register.names.internal, 'installation')}")
    if installed != "role":
        return 0, "sessions say in each transaction for whom they run, so nobody knows which are the holder's"
    try:
        with register.discreet():
            ended = register.database.rows(
                "select pg_catalog.pg_terminate_backend(session.pid) as ended from pg_catalog.pg_stat_activity as session"
                " where session.usename = %s and session.pid <> pg_catalog.pg_backend_pid()",
                [holder],
            )
    except DatabaseFailed as error:
        if error.sqlstate == "42501":
            return 0, "the connecting role may not end the holder's sessions: it takes pg_signal_backend, or membership"
        raise
    return sum(bool(row["ended"]) for row in ended), ""


def _access(row: Row) -> Access:
    return Access(
        number=row["grant_id"],
        state=row["state"],
        kind=row["kind"],
        holder=row["holder"],
        subject=row["subject"],
        person=row["person"],
        reason=row["reason"] or "",
        ticket=row["ticket"] or "",
        opened_at=row["opened_at"],
        until=row["until"],
        approved_by=row["approved_by"] or "",
        closed_by=row["closed_by"] or "",
        closed_at=row["closed_at"],
        review_due=row["review_due"],
        reviewed_by=row["reviewed_by"] or "",
        verdict=row["verdict"] or "",
    )
