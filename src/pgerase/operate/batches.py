"""How large the next batch is, and what a failure means for it. Pure: it runs nothing."""

from __future__ import annotations

from enum import Enum, auto

from pgerase.errors import DatabaseFailed

CONTENTION = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock not available: another session was in the way, and may be gone by now."""

# Not blind, unacknowledged code, an unknown subject, a closed request, a part of the log out of reach and so on: the same for everybody.
_EVERYBODY = frozenset({"ZE102", "ZE103", "ZE110", "ZE111", "ZE112", "ZE113", "ZE114", "ZE115", "ZE222"})
# Disk full, I/O error, corruption, shutdown: nobody's fault. Memory may suffice for fewer people, so these halve first.
_SERVER = ("53", "57", "58", "F0", "XX")
_CANCELED = "57014"

_TRIES = 3


class Verdict(Enum):
    """AGAIN: try once more, with `size`. FAILED: this person alone cannot be done. STOP: nobody can."""

    AGAIN = auto()
    FAILED = auto()
    STOP = auto()


class Batches:
    """Sizes from one failure or success to the next: halved on failure, doubled on success up to the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._tries = 0
        self.size = limit

    def succeeded(self) -> None:
        """The batch was done."""
        self._tries = 0
        self.size = min(self._limit, self.size * 2)

    def failed(self, error: DatabaseFailed, people: int) -> Verdict:
        """A batch of so many people failed with this error, and nothing of it was done."""
        if error.sqlstate in _EVERYBODY:
            return Verdict.STOP
        if error.sqlstate in CONTENTION and self._tries + 1 < _TRIES:
            self._tries += 1
            return Verdict.AGAIN
        self._tries = 0
        if people > 1:
            self.size = people // 2
            return Verdict.AGAIN
        self.size = 1
        if error.sqlstate.startswith(_SERVER) and error.sqlstate != _CANCELED:
            return Verdict.STOP
        return Verdict.FAILED
