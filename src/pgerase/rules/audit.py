"""`audit.yaml` as typed frozen values: what is captured, how long it is kept, who of the staff may look. Order is the file's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pgerase.errors import Position
from pgerase.rules.conditions import Condition, Span
from pgerase.rules.data_map import TablePattern
from pgerase.rules.names import TableColumns, TableName


class Period(StrEnum):
    """How much time one partition of the log covers: a day, a week from Monday, a month; all in UTC."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Context(StrEnum):
    """Whether a write that nobody answers for is refused, or recorded as what it is."""

    REQUIRED = "required"
    RECORDED = "recorded"


@dataclass(frozen=True, slots=True)
class ProfileKeep:
    """How long entries about people of one profile of the data map are kept."""

    profile: str
    keep: Span
    at: Position


@dataclass(frozen=True, slots=True)
class Keep:
    """How long entries are kept: `default`, which stands at `at`, and for the people of some profiles another time.

    `because` is why for so long, where that is said.
    """

    default: Span
    profiles: tuple[ProfileKeep, ...]
    at: Position
    because: str = ""


@dataclass(frozen=True, slots=True)
class LogRules:
    """The log. `ahead` is how many partitions are made before they are needed."""

    partition: Period
    ahead: int
    keep: Keep
    context: Context
    at: Position


@dataclass(frozen=True, slots=True)
class PersonalColumn:
    """A column whose values are kept apart, for the person whose key stands in the column `whose` of the same row.

    `subject` is the kind of person as the data map names it; None where it is to be found out from the map. `whose_at` is where
    the file says whose it is.
    """

    column: str
    whose: str
    subject: str | None
    at: Position
    whose_at: Position


@dataclass(frozen=True, slots=True)
class ListedColumn:
    """A column that a list names."""

    column: str
    at: Position


@dataclass(frozen=True, slots=True)
class Capture:
    """What is captured of one table: all columns but `excluded`; of `masked` ones only that they changed.

    `keep` None means the log's.
    """

    table: TableName
    excluded: tuple[ListedColumn, ...]
    masked: tuple[ListedColumn, ...]
    personal: tuple[PersonalColumn, ...]
    keep: Keep | None
    at: Position


@dataclass(frozen=True, slots=True)
class Uncaptured:
    """Tables that nobody captures, on purpose, and why."""

    tables: TablePattern
    reason: str
    at: Position


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """Access without the person's consent: who may, and what makes up for it. At least one of the last two is given."""

    who: Condition | None
    second_person: bool
    review_within: Span | None
    at: Position
    review_at: Position
    """Where `review_within` stands, or this whole part without it."""


@dataclass(frozen=True, slots=True)
class Announce:
    """Who is told of support access: a channel of NOTIFY, a webhook whose URL an environment variable holds, the person."""

    notify: str | None
    webhook_env: str | None
    person: bool
    at: Position


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """A link of the data map that a grant opens, by its columns."""

    columns: TableColumns
    at: Position


@dataclass(frozen=True, slots=True)
class Support:
    """Staff access to one person's data. `links` are what a grant opens besides the person's own row.

    `switch` is the person's own setting, a boolean column of the subject's table; None: there is none, consent is not asked.
    `switch_at` and `longest_at` are where these stand, or `at` where they are left out.
    """

    who: Condition | None
    links: tuple[OpenedLink, ...]
    switch: TableColumns | None
    longest: Span
    break_glass: BreakGlass | None
    announce: Announce
    staff_names: bool
    at: Position
    switch_at: Position
    longest_at: Position


@dataclass(frozen=True, slots=True)
class Seal:
    """How often the log is sealed, the environment variable with the signing key, and where checkpoints go."""

    every: Span
    key_env: str
    anchor_file: str | None
    anchor_webhook_env: str | None
    at: Position


@dataclass(frozen=True, slots=True)
class AuditRules:
    """A whole `audit.yaml`. `support` None: nobody of the staff gets access to one person's data; `seal` None: not sealed."""

    log: LogRules
    captures: tuple[Capture, ...]
    support: Support | None
    seal: Seal | None
    at: Position
    uncaptured: tuple[Uncaptured, ...] = ()
