"""How the log stands: its partitions, its runs, and what of it is a reason for alarm. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pgerase.catalog.read import read_parameter_grants, read_session_settings
from pgerase.check.muted import settings_doors
from pgerase.counts import counted
from pgerase.database import Database, Row
from pgerase.errors import Severity
from pgerase.operate.log import Log
from pgerase.operate.retention import needed
from pgerase.operate.retention_model import RunState
from pgerase.operate.seal.standing import SealStanding, SealTerms, overdue, seal_standing
from pgerase.operate.tail import SUPPORT
from pgerase.rules.pack import AcceptedDoor

MISSED_AFTER = timedelta(days=1, hours=2)
"""A run a day is what it takes; the two hours are for schedulers that are late."""


LATE_AFTER = timedelta(hours=1)
"""How long a message about support access may wait: the longest that delivering pauses between two attempts."""
_MAINTAIN = "`pgerase audit maintain`"


@dataclass(frozen=True, slots=True)
class ClassStatus:
    """One class. `partitions` and bounds leave out the first and the last one, which are open."""

    name: str
    keep: str
    period: str
    ahead: int
    partitions: int
    oldest: datetime | None
    newest: datetime | None
    has_next: bool
    overdue: int
    is_pending: bool
    early_since: datetime | None


@dataclass(frozen=True, slots=True)
class Gap:
    """A time for which a class has no partition of these tables, and that is not expired: writes of it fail. None is open."""

    class_name: str
    families: tuple[str, ...]
    lower: datetime | None
    upper: datetime | None
    is_now: bool

    def __str__(self) -> str:
        """What is missing, what comes of it, and what to run."""
        if self.lower is None and self.upper is None:
            when = ""
        elif self.lower is None:
            when = f" before {self.upper:%Y-%m-%d}"
        else:
            when = f" from {self.lower:%Y-%m-%d} {f'to {self.upper:%Y-%m-%d}' if self.upper else 'on'}"
        # Of support access there are no tables: who opens and closes it writes the entries.
        what = "opening and closing support access fails" if self.class_name == SUPPORT else "writes to its tables fail"
        fails = f"{what} now" if self.is_now else "writes of that time fail"
        return (
            f"{self.class_name}: no partition of {', '.join(self.families)}{when}: {fails};"
            " `pgerase audit maintain` puts it right"
        )


@dataclass(frozen=True, slots=True)
class LogStatus:
    """The whole log. `alarms` are sentences; none where all is well."""

    now: datetime
    classes: tuple[ClassStatus, ...]
    gaps: tuple[Gap, ...]
    last_run: datetime | None
    last_state: RunState | None
    last_sqlstate: str
    last_done: datetime | None
    detached: int
    holds: int
    held: int
    seal: SealStanding
    late_messages: int
    refused_messages: int
    alarms: tuple[str, ...]


def log_status(
    database: Database,
    prefix: str,
    *,
    now: datetime | None = None,
    missed_after: timedelta = MISSED_AFTER,
    accepted: Collection[AcceptedDoor] = (),
    seal: SealTerms | None = None,
) -> LogStatus:
    """How the log stands. `now` None is the server's clock; ways to switch capture off that are `accepted` are no alarm.

    A seal that is overdue is one by the terms of `seal`; without them nobody said how often.

    Raises Refused where there is no log here; DatabaseFailed.
    """
    log = Log(database, prefix)
    clock = now or log.now
    classes = tuple(
        ClassStatus(
            row["class"],
            row["keep"],
            row["period"],
            row["ahead"],
            row["partitions"],
            row["oldest"],
            row["newest"],
            row["has_next"],
            row["overdue"],
            row["is_pending"],
            row["early_since"],
        )
        for row in log.rows("log_status", now=clock)
    )
    found = log.rows("log_runs")[0]
    told = log.rows("log_messages", before=clock - LATE_AFTER)[0]
    standing = seal_standing(log, None if seal is None else seal.anchors)
    late = overdue(standing, seal, clock) if seal is not None else ()
    blocked = [f"{one}: what is due there cannot be dropped while it does" for one in needed(log)]
    status = LogStatus(
        now=clock,
        classes=classes,
        gaps=tuple(
            Gap(row["class"], tuple(row["families"]), row["lower_bound"], row["upper_bound"], row["is_now"])
            for row in log.rows("log_gaps", now=clock)
        ),
        last_run=found["last_clock"],
        last_state=None if found["last_state"] is None else RunState(found["last_state"]),
        last_sqlstate=found["last_sqlstate"] or "",
        last_done=found["done_clock"],
        detached=len(found["apart"]),
        holds=found["holds"],
        held=found["held"],
        seal=standing,
        late_messages=told["waiting"],
        refused_messages=told["refused"],
        alarms=(),
    )
    lost = [
        f"{row['relation']}: capturing reads {', '.join(row['columns'])}, and there is no such column any more: writes to it"
        " fail now; `pgerase apply` puts it right"
        for row in log.rows("log_columns")
    ]
    further = (*lost, *blocked, *late, *_of_messages(told), *_silenced(database, accepted))
    return _with_alarms(status, missed_after, found["apart"], further)


def _silenced(database: Database, accepted: Collection[AcceptedDoor]) -> list[str]:
    """What keeps triggers from firing, for whom: then nothing is captured, and a log without entries looks like one of quiet days."""
    known = {(one.kind, one.name) for one in accepted}
    found = settings_doors(read_session_settings(database), read_parameter_grants(database), lambda _: Severity.ERROR)
    return [f"{door.message} {door.fix}" for door in found if (door.kind, door.name) not in known]


def _of_messages(told: Row) -> Iterator[str]:
    """What should have been told of support access, and was not."""
    if told["waiting"]:
        since = f"{told['waiting_since']:%Y-%m-%d %H:%M %Z}"
        yield (
            f"{counted(told['waiting'], 'message')} about support access not delivered, the oldest of {since}:"
            " `pgerase deliver` says why, or does not run"
        )
    if told["refused"]:
        since = f"{told['refused_since']:%Y-%m-%d %H:%M %Z}"
        yield (
            f"{counted(told['refused'], 'message')} about support access refused for good, since {since}:"
            " put the webhook right, then `pgerase deliver --retry`"
        )


def _of_runs(status: LogStatus, missed_after: timedelta) -> Iterator[str]:
    """Whether runs are done, and how the last one ended."""
    if status.last_done is None:
        yield f"no run of retention was ever done: run {_MAINTAIN}, and schedule it once a day"
    elif status.now - status.last_done > missed_after:
        done = f"{status.last_done:%Y-%m-%d %H:%M %Z}"
        yield f"the last run that was done was {done}: runs are missed; run {_MAINTAIN}, and look why nothing ran it"
    code = f" with SQLSTATE {status.last_sqlstate}" if status.last_sqlstate else ""
    match status.last_state:
        case RunState.FAILED:
            yield f"the last run failed{code}: {_MAINTAIN} goes on, or says what fails"
        case RunState.REFUSED:
            yield f"the last run was refused{code}: {_MAINTAIN} says why"
        case RunState.KILLED:
            yield f"the last run was killed{code}: {_MAINTAIN} goes on with it"
        case _:
            pass


def _with_alarms(
    status: LogStatus, missed_after: timedelta, apart: Collection[str], further: Iterable[str]
) -> LogStatus:
    """`apart` are the tables that are detached; `further` are alarms, too."""
    alarms = list(_of_runs(status, missed_after)) if status.classes else []
    alarms += map(str, status.gaps)
    for one in status.classes:
        if not one.has_next:
            alarms.append(f"{one.name}: the next partition is missing: {_MAINTAIN} makes it")
        if one.overdue:
            late = f"{counted(one.overdue, 'partition')} should have been dropped more than a day ago"
            alarms.append(f"{one.name}: {late}: {_MAINTAIN} drops what is due, or says why it stays")
        if one.is_pending:
            alarms.append(f"{one.name}: detaching a partition was interrupted: {_MAINTAIN} finishes it")
        if one.early_since is not None:
            alarms.append(f"{one.name}: entries dated before every partition, found {one.early_since:%Y-%m-%d}")
    if apart:
        named = ", ".join(apart)
        alarms.append(
            f"detached, and there still: {named}: {_MAINTAIN} attaches what has the name it had, and drops what is due; what"
            " was renamed stays until its time is over, or until it has its name again"
        )
    return replace(status, alarms=(*alarms, *further))
