"""What pgerase reports: findings are values, exceptions mean it cannot go on.

Exit codes (DESIGN.md, Commands): 0 done or clean; 1 the answer is no; 2 usage or unreadable rules; 3 refused;
4 database failure; 5 bug. They are never a count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from types import MappingProxyType


class ExitCode(IntEnum):
    """Process exit codes of the command line."""

    DONE = 0
    NO = 1
    USAGE = 2
    REFUSED = 3
    DATABASE = 4
    BUG = 5


UNDER_HOLD = "ZE221"
"""The SQLSTATE for somebody under legal hold, who is not erased."""

SQLSTATES: Mapping[str, str] = MappingProxyType(
    {
        "ZE001": "`become` was given no viewer",
        "ZE002": "`become` was called outside a transaction",
        "ZE003": "viewers are identified by their login, or by claims",
        "ZE020": "two signing keys are valid already",
        "ZE021": "a signing key is not as it has to be, or there is none of this id",
        "ZE101": "erasing came to other numbers than planned",
        "ZE102": "the eraser is not blind to row security",
        "ZE103": "user code that erasing would run is not acknowledged, or changed; or a column has a type of somebody's own since the last apply",
        "ZE104": "the last super admin cannot be erased",
        "ZE105": "an erased person stays erased",
        "ZE106": "the data map hands rows over to this person",
        "ZE110": "no such subject",
        "ZE111": "a request, or what is noted of one, is not as it has to be",
        "ZE112": "keys belong to nobody",
        "ZE113": "no such open request",
        "ZE114": "people of the request are not erased",
        "ZE115": "the subject has no lifecycle",
        "ZE201": "nobody answers for a write that is captured",
        "ZE202": "a captured column has got another type since the last apply",
        "ZE203": "`annotate` was given nothing, or too much",
        "ZE230": "another session is sealing the log",
        "ZE231": "sealing needs READ COMMITTED",
        "ZE232": "a segment of the log is not as it was sealed",
        "ZE233": "never seen: sealing takes a step back with it",
        "ZE220": "the log is only added to",
        UNDER_HOLD: "somebody is under legal hold",
        "ZE222": "a class of entries lacks a partition, or is gone from one of the log's tables, and this cannot be made good",
        "ZE301": "there is no support access here",
        "ZE302": "not for this viewer to open, approve or review",
        "ZE303": "the person does not allow support access",
        "ZE304": "reason, ticket, end or verdict of support access are not as they have to be",
        "ZE305": "there is nobody whose data it would be",
        "ZE306": "an earlier break-glass access is not reviewed",
        "ZE307": "no such support access that is in the state for it",
        "ZE308": "no such ticket for this viewer",
    }
)
"""What pgerase's own SQL raises, for applications to tell apart: ZE0xx identity and access, ZE1xx erasing, ZE2xx the log.

A refusal by a policy or a guard has PostgreSQL's own code, 42501: applications know that one already.
"""


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """Where something stands in a rule file: 1-based line and column, and the line itself for showing it."""

    file: str
    line: int
    column: int
    text: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class Severity(StrEnum):
    """An error refuses; a warning fails a check unless accepted; a note informs."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer of a check. `code` is a stable kebab-case name, `subject` the database object or rule it is about.

    `fix` is SQL that settles it, where some does; `page` the place in the documentation that explains the code.
    """

    code: str
    severity: Severity
    subject: str
    message: str
    hint: str = ""
    at: Position | None = None
    fix: str = ""
    page: str = ""


class PgeraseError(Exception):
    """Base of every error pgerase raises on purpose; `hint` says what to do, `exit_code` how the command ends."""

    exit_code = ExitCode.BUG

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class FindingsError(PgeraseError):
    """Cannot go on because of findings, all of which are carried, not only the first."""

    def __init__(self, message: str, findings: tuple[Finding, ...], *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.findings = findings


class RuleFileError(FindingsError):
    """Rule files cannot be read, or say what cannot be done."""

    exit_code = ExitCode.USAGE


class UsageError(PgeraseError):
    """The command was called in a way that cannot work."""

    exit_code = ExitCode.USAGE


class Refused(FindingsError):
    """pgerase declines to act: something is unacknowledged, destructive without consent, held, or blocked."""

    exit_code = ExitCode.REFUSED

    def __init__(self, message: str, findings: tuple[Finding, ...] = (), *, hint: str = "") -> None:
        super().__init__(message, findings, hint=hint)


class StalePlan(Refused):
    """The database changed between planning and applying."""


class DatabaseFailed(PgeraseError):
    """PostgreSQL refused a statement or went away; `sqlstate` is its code, empty where there was none.

    `relation` and `constraint` are what the error named, empty where it named none.
    """

    exit_code = ExitCode.DATABASE

    def __init__(
        self, message: str, *, sqlstate: str = "", hint: str = "", relation: str = "", constraint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate
        self.relation = relation
        self.constraint = constraint


class InternalError(PgeraseError):
    """A bug in pgerase: please report it."""

    exit_code = ExitCode.BUG
