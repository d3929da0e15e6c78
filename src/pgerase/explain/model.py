"""What explaining is asked and what it answers, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgerase.errors import Finding
from pgerase.meaning.reasons import Reason
from pgerase.rules.conditions import Action
from pgerase.rules.pack import Mode


@dataclass(frozen=True, slots=True)
class Question:
    """May this viewer (by key), or a session of this role that presents nobody, do that to the row with this key?

    `new` are values of the new row of an insert, or what an update changes: texts are read as PostgreSQL reads them.
    """

    action: Action
    resource: str
    key: str | None = None
    viewer: str | None = None
    role: str | None = None
    new: Mapping[str, object] | None = None
    values: bool = False
    """Tell what was compared, and not only what came of it."""


@dataclass(frozen=True, slots=True)
class EnforcingPolicy:
    """A policy that decides about such a statement. `ours`: its name begins with the prefix."""

    name: str
    command: str
    permissive: bool
    ours: bool


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What in the database enforces the decision. Without `installed` there is no pgerase in it at all."""

    table: str
    mode: Mode
    installed: bool
    row_security: bool
    policies: tuple[EnforcingPolicy, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the database itself did, asked as the viewer. `allowed` None: nobody could ask, and `how` says why."""

    allowed: bool | None
    role: str
    how: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision of the rules with its reasons, what enforces it, and what the database says."""

    pack: str
    database: str
    question: Question
    table: str
    reason: Reason
    enforcement: Enforcement
    asked: Asked
    findings: tuple[Finding, ...]

    @property
    def allowed(self) -> bool:
        """What the rules mean."""
        return self.reason.truth is True

    @property
    def agrees(self) -> bool | None:
        """Whether the database does what the rules mean; None where it was not asked, or has not to."""
        if self.asked.allowed is None or self.enforcement.mode is not Mode.ON:
            return None
        return self.asked.allowed is self.allowed
