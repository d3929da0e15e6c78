"""What the register says, as frozen values: requests, people, counts, failures. No value of anybody's row among them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class RequestKind(StrEnum):
    """What a person may ask for (GDPR Art. 15 to 21)."""

    ERASURE = "erasure"
    ACCESS = "access"
    PORTABILITY = "portability"
    RECTIFICATION = "rectification"
    RESTRICTION = "restriction"
    OBJECTION = "objection"


class Outcome(StrEnum):
    """How a request was closed."""

    DONE = "done"
    WITHDRAWN = "withdrawn"


class State(StrEnum):
    """Where a person stands. MISSING: no row, and nobody of that key was erased."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    ERASED = "erased"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Request:
    """A request, and how many of its people are where. `due_on` is the last day for the answer."""

    number: int
    kind: RequestKind
    subject: str
    reference: str
    received_at: datetime
    due_on: date
    closed_at: datetime | None
    outcome: Outcome | None
    people: int
    pending: int
    done: int
    failed: int


@dataclass(frozen=True, slots=True)
class Person:
    """Where one person stands; `erased_at` where he has been erased."""

    key: str
    state: State
    erased_at: datetime | None


@dataclass(frozen=True, slots=True)
class Count:
    """Rows of one table that one strategy concerns, and of how many people. A row that two people share counts for both."""

    relation: str
    strategy: str
    people: int
    rows: int


@dataclass(frozen=True, slots=True)
class Failure:
    """Who could not be erased: the SQLSTATE, and the table and constraint that the error named, if any."""

    key: str
    sqlstate: str
    relation: str
    constraint: str


@dataclass(frozen=True, slots=True)
class Violation:
    """Rows of somebody that would break a constraint or a unique index as they are to be: erasing that person would fail."""

    key: str
    relation: str
    constraint: str
    rows: int


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody under legal hold: since when, and the references of all holds. Nobody erases him until they are released."""

    key: str
    references: tuple[str, ...]
    since: datetime


@dataclass(frozen=True, slots=True)
class DryRun:
    """What erasing the pending people of a request would do. `failures` are those for whom counting failed already.

    `held` are counted as well, and would not be erased.
    """

    request: Request
    counts: tuple[Count, ...]
    failures: tuple[Failure, ...]
    violations: tuple[Violation, ...]
    held: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True)
class Erasure:
    """What erasing did for a request, in all its runs so far. `held` are those of the failed who are under legal hold now."""

    request: Request
    counts: tuple[Count, ...]
    failures: tuple[Failure, ...]
    held: tuple[Held, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One thing the ledger knows about a person."""

    key: str
    at: datetime
    what: str
    request: int
    kind: RequestKind
    reference: str
    detail: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run got, in people."""

    done: int
    failed: int
    total: int
