"""What a run of retention says: what became of each partition, and of the run. Values only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Fate(StrEnum):
    """What became of a partition. There is no other outcome, and none that means two things."""

    MADE = "made"
    KEPT = "kept"
    """Not due."""
    HELD_BACK = "held back"
    """Due, and kept on purpose: `why` says the purpose."""
    DETACHED = "detached"
    """No partition any more, and there still."""
    DROPPED = "dropped"
    REFUSED = "refused"
    """Due, and not touched until somebody says so."""
    NEEDED = "needed"
    """Due, and something of others depends on it. A failure, until somebody takes that away."""
    BUSY = "busy"
    """Somebody was in the way; the next run goes on."""


class RunState(StrEnum):
    """How a run ended, or that it has not."""

    RUNNING = "running"
    DONE = "done"
    INCOMPLETE = "incomplete"
    REFUSED = "refused"
    FAILED = "failed"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one partition, or of `count` of a class. Bounds are those the server has; None is open.

    `anew`, of one that was missing: whether it was made anew, empty, or attached again with what is in it. Else None.
    """

    name: str
    fate: Fate
    class_name: str = ""
    lower: datetime | None = None
    upper: datetime | None = None
    count: int = 1
    why: str = ""
    anew: bool | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One run. `refusal` says why nothing was done at all; `released` counts held entries that went, `pruned` support grants."""

    number: int
    clock: datetime
    state: RunState
    outcomes: tuple[Outcome, ...]
    released: int = 0
    sealed: bool = False
    refusal: str = ""
    pruned: int = 0

    @property
    def counts(self) -> Mapping[Fate, int]:
        """How many partitions came to each outcome."""
        found: Counter[Fate] = Counter()
        for outcome in self.outcomes:
            found[outcome.fate] += outcome.count
        return found

    @property
    def refused(self) -> bool:
        """Whether something waits for somebody to say so."""
        return bool(self.refusal) or Fate.REFUSED in self.counts
