"""Sealing, signing and anchoring: three steps, each of which is kept where the next one fails.

A key signs only what continues what was signed before: who rewrote the log and then waits for the next seal gets no signature.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pgerase.counts import counted
from pgerase.errors import DatabaseFailed, Refused
from pgerase.operate.log import Log
from pgerase.operate.seal.anchors import append_anchor, post_anchor, read_anchors
from pgerase.operate.seal.checkpoint import Checkpoint, origin_of
from pgerase.operate.seal.keys import SealKey
from pgerase.webhook import Webhook

DEFAULT_BATCH = 100_000

_NO_PARTITION = "23514"
"""check_violation: without a constraint it is what inserting says where no partition takes a row."""

Watch = Callable[[int], None]
"""Called after every batch with how many entries are sealed by now."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where checkpoints go: a file, a webhook, both, or neither."""

    file: Path | None = None
    webhook: Webhook | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a run sealed."""

    segments: int
    entries: int
    records: int


def seal_log(log: Log, *, batch: int = DEFAULT_BATCH, progress: Watch | None = None) -> Sealed:
    """Seal whatever is committed, in batches of one transaction each.

    Raises Refused where another session is sealing, DatabaseFailed. What was sealed before it failed stays sealed.
    """
    segments = entries = records = 0
    while True:
        try:
            with log.answering(), log.database.transaction(isolation="read committed"):
                made = log.rows("seal", batch=batch)
        except DatabaseFailed as error:
            if error.sqlstate != _NO_PARTITION or error.constraint:
                raise
            raise DatabaseFailed(
                f"{error.message}: leaves have no partition to go to, and nothing of the batch was sealed",
                sqlstate=error.sqlstate,
                hint="`pgerase audit maintain` attaches it again, or makes it anew; then seal again",
                relation=error.relation,
                constraint=error.constraint,
            ) from None
        done = {kind: sum(row["entries"] for row in made if row["kind"] == kind) for kind in ("entry", "record")}
        segments += len(made)
        entries += done["entry"]
        records += done["record"]
        if progress is not None:
            progress(entries)
        # Fewer than asked for: whatever there was is sealed, and what came since has time until the next run.
        if max(done.values()) < batch:
            return Sealed(segments, entries, records)


def sign_log(log: Log, key: SealKey, *, anchors: Path | None = None, now: datetime | None = None) -> Checkpoint | None:
    """Sign all headers there are and keep the checkpoint; None where the last one covers them, or there are none.

    Raises Refused where the headers do not continue what this key signed before, as the database and the anchor file have it;
    DatabaseFailed, OSError.
    """
    head = log.rows("seal_head")[0]
    size = head["size"]
    if size == 0:
        if anchors is not None and anchors.exists() and read_anchors(anchors):
            raise Refused("checkpoints of this log are anchored, and the log is empty: not signed")
        return None
    origin = origin_of(head["first"])
    last: list[Checkpoint] = []
    for before in (kept_checkpoints(log), _anchored(anchors) if anchors is not None else ()):
        mine = [one for one in before if one.key_id == key.public.key_id]
        last += [max(mine, key=lambda one: one.size)] if mine else []
    for one in last:
        if not key.public.signed(one.text, one.signature):
            raise Refused(f"the checkpoint of {counted(one.size, 'header')} is not what was signed: not signed again")
        if one.origin != origin or _root(log, one.size) != one.root:
            raise Refused(
                f"the log is not the one that was signed at {one.at:%Y-%m-%d %H:%M} UTC with {counted(one.size, 'header')}: not signed",
                hint="`pgerase audit verify` says what happened; a backup that was restored goes on with a new key",
            )
    if any(one.size == size for one in last):
        return None
    at = datetime.now(UTC) if now is None else now
    made = Checkpoint.sign(key, origin=origin, size=size, root=_root(log, size) or b"", at=at)
    with log.answering():
        log.call("keep_checkpoint", made.size, made.key_id, made.root, made.at, made.text, made.signature)
    return made


def anchor(checkpoint: Checkpoint, to: Anchor) -> Anchor:
    """Put a checkpoint where the database's owners cannot change it; returns where it was not before.

    Raises AnchorFailed, OSError.
    """
    is_added = to.file is not None and append_anchor(to.file, checkpoint)
    if to.webhook is not None:
        post_anchor(to.webhook, checkpoint)
    return Anchor(to.file if is_added else None, to.webhook)


def kept_checkpoints(log: Log) -> tuple[Checkpoint, ...]:
    """The checkpoints that the database keeps, in order of size. Raises Refused for one that is none, DatabaseFailed."""
    found: list[Checkpoint] = []
    for row in log.rows("seal_checkpoints"):
        read = Checkpoint.read(row["text"], row["key_id"], row["signature"])
        if read is None:
            raise Refused(f"what is kept as the checkpoint of {counted(row['size'], 'header')} is none")
        found.append(read)
    return tuple(found)


def _anchored(path: Path) -> tuple[Checkpoint, ...]:
    return tuple(one for _, one in read_anchors(path) if one is not None) if path.exists() else ()


def _root(log: Log, size: int) -> bytes | None:
    """The root over the first headers, None where there are not so many. Raises DatabaseFailed."""
    return log.call("headers_root", size)[0]["headers_root"]
