"""What explaining is asked and what it answers, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgerase.errors import Finding
from pgerase.meaning.reasons import Reason
from pgerase.rules.access import Aggregate
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
    """What in the database enforces the decision. Without `installed` there is no pgerase in it at all.

    `secured_view` stands for row security on materialized views and foreign tables: its name, with `row_security` whether it is
    there and as it has to be; elsewhere None.
    """

    table: str
    mode: Mode
    installed: bool
    row_security: bool
    policies: tuple[EnforcingPolicy, ...]
    secured_view: str | None = None


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


@dataclass(frozen=True, slots=True)
class AggregateAnswer:
    """Why an aggregate shows groups to somebody or is empty, and how many groups the database shows; None: `not_asked` says why.

    `requirements` are the resource's own on reading: what they keep from the viewer is not counted.
    """

    pack: str
    database: str
    question: Question
    aggregate: Aggregate
    requirements: tuple[str, ...]
    table: str
    view: str
    reason: Reason
    groups: int | None
    asked_as: str
    not_asked: str
    findings: tuple[Finding, ...]

    @property
    def allowed(self) -> bool:
        """Whether groups that are large enough are shown."""
        return self.reason.truth is True


@dataclass(frozen=True, slots=True)
class MatrixQuestion:
    """For whom to count, and what. Without viewers and groups: a sample by strata, as verify draws it.

    `members`: the most members of a group that are counted for. `expected`: count by the reference evaluation too.
    """

    viewers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    actions: tuple[Action, ...] = (Action.READ, Action.UPDATE)
    sample: int = 12
    members: int = 5
    seed: int = 1
    hold: int = 200_000
    expected: bool = False


@dataclass(frozen=True, slots=True)
class ResourceColumn:
    """A resource, its table, and how many rows that has."""

    resource: str
    table: str
    rows: int


@dataclass(frozen=True, slots=True)
class Line:
    """Whom is counted for: `kind` is "viewer", "group", or the stratum of a sampled viewer; `looked` of `people` were asked as."""

    kind: str
    name: str
    looked: int
    people: int


@dataclass(frozen=True, slots=True)
class Cell:
    """How many rows: the fewest and the most of all who are counted for; None where nobody could count, or nobody is in it."""

    low: int | None
    high: int | None
    expected_low: int | None = None
    expected_high: int | None = None
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Matrix:
    """Counts. `cells` has a tuple a line, with one cell for every resource and action, in the order of `columns` and `actions`."""

    pack: str
    database: str
    actions: tuple[Action, ...]
    columns: tuple[ResourceColumn, ...]
    lines: tuple[Line, ...]
    cells: tuple[tuple[Cell, ...], ...]
    not_in_force: tuple[tuple[str, str], ...]
    """Resources that are not counted, with their mode."""
    findings: tuple[Finding, ...]
