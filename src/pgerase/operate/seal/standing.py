"""How the seal stands: when it was last sealed, signed and anchored, and what is overdue. What that proves, `verifying` says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pgerase.counts import counted
from pgerase.operate.log import Log
from pgerase.operate.seal.anchors import read_anchors
from pgerase.operate.seal.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class SealTerms:
    """What audit.yaml says of sealing: how often, and the file that checkpoints go to, if any."""

    every: timedelta
    anchors: Path | None


@dataclass(frozen=True, slots=True)
class SealStanding:
    """When it was done last, None for never; and since when there is something of which it was not, None for nothing.

    `has_anchors`: the file of anchors can be read from here; else nobody here knows when the last one was written.
    """

    sealed_at: datetime | None
    signed_at: datetime | None
    anchored_at: datetime | None
    has_anchors: bool
    unsealed: int
    unsealed_since: datetime | None
    unsigned_since: datetime | None
    unanchored_since: datetime | None


def seal_standing(log: Log, anchors: Path | None) -> SealStanding:
    """How the seal stands, as log and file say; nothing is checked. Raises DatabaseFailed."""
    found = log.rows("seal_standing")[0]
    anchored = None if anchors is None else _anchored(anchors)
    covered = max((one.size for one in anchored or ()), default=0)
    kept = [Checkpoint.read(row["text"], row["key_id"], row["signature"]) for row in log.rows("seal_checkpoints")]
    return SealStanding(
        sealed_at=found["sealed_at"],
        signed_at=found["signed_at"],
        anchored_at=max((one.at for one in anchored or ()), default=None),
        has_anchors=anchored is not None,
        unsealed=found["unsealed"],
        unsealed_since=found["unsealed_since"],
        unsigned_since=found["unsigned_since"],
        unanchored_since=None
        if anchored is None
        else min((one.at for one in kept if one is not None and one.size > covered), default=None),
    )


def overdue(standing: SealStanding, terms: SealTerms, now: datetime) -> Iterator[str]:
    """Sentences on what is older than twice the time between two seals: a run takes its time, too.

    That a file of anchors is not there is none: who signs elsewhere has it elsewhere.
    """
    since = now - 2 * terms.every
    if standing.unsealed_since is not None and standing.unsealed_since < since:
        entries = f"{counted(standing.unsealed, 'entry')} not sealed, the oldest of {_minute(standing.unsealed_since)}"
        yield f"{entries}: `pgerase audit seal` says why, or does not run"
    if standing.unsigned_since is not None and standing.unsigned_since < since:
        sealed = f"what was sealed since {_minute(standing.unsigned_since)} is not signed"
        yield f"{sealed}: `pgerase audit seal` says why, or does not run where the key is"
    if standing.unanchored_since is not None and standing.unanchored_since < since:
        signed = f"what was signed since {_minute(standing.unanchored_since)} is not in {terms.anchors}"
        yield f"{signed}: anchors were taken away, or are not written; `pgerase audit seal` writes the last one"


def _anchored(path: Path) -> list[Checkpoint] | None:
    """The anchors of a file; None where it is not there, or cannot be read from here."""
    try:
        return [one for _, one in read_anchors(path) if one is not None]
    except (OSError, UnicodeDecodeError):
        return None


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
