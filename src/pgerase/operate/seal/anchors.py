"""Anchors: checkpoints kept where whoever can write the database cannot. A file that is only added to, or a webhook."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from pgerase.errors import ExitCode, PgeraseError
from pgerase.operate.seal.checkpoint import Checkpoint
from pgerase.webhook import Webhook


class AnchorFailed(PgeraseError):
    """A checkpoint could not be anchored; it is kept in the database, and the next one says as much and more."""

    exit_code = ExitCode.NO


def read_anchors(path: Path) -> tuple[tuple[int, Checkpoint | None], ...]:
    """Number of the line and checkpoint, in the order of the file; None for a line that is none. Raises OSError."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple((number, Checkpoint.from_line(line)) for number, line in enumerate(lines, 1) if line.strip())


def append_anchor(path: Path, checkpoint: Checkpoint) -> bool:
    """Add a checkpoint to a file, on disk before this returns; false where the last line is of it already. Raises OSError."""
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    with os.fdopen(handle, "r+", encoding="utf-8") as file:
        # Two that append at once would otherwise both find the other's missing.
        fcntl.flock(file, fcntl.LOCK_EX)
        text = file.read()
        lines = text.splitlines()
        if lines and lines[-1] == checkpoint.line():
            return False
        # A line that a crash cut off must not swallow the next one.
        beginning = "\n" if text and not text.endswith("\n") else ""
        file.write(f"{beginning}{checkpoint.line()}\n")
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        folder = os.open(path.absolute().parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    return True


def post_anchor(webhook: Webhook, checkpoint: Checkpoint) -> None:
    """POST a checkpoint as JSON. Raises AnchorFailed, without showing the address, which may hold a secret."""
    answer = webhook.post(json.loads(checkpoint.line()), key=f"{checkpoint.key_id}-{checkpoint.size}")
    if answer.accepted:
        return
    reason = f"it answered {answer.status}" if answer.failure is None else answer.failure.value
    raise AnchorFailed(
        f"the checkpoint was not taken by the anchor's webhook: {reason}",
        hint="it is signed and kept in the database; `pgerase audit seal --again` sends it once more",
    )
