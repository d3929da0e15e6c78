"""Anchors: checkpoints kept where whoever can write the database cannot. A file that is only added to, or a webhook."""

from __future__ import annotations

import fcntl
import os
import urllib.error
import urllib.request
from pathlib import Path

from pgerase.errors import PgeraseError, UsageError
from pgerase.operate.seal.checkpoint import Checkpoint

_TIMEOUT = 10.0
"""Seconds that a webhook may take."""


class AnchorFailed(PgeraseError):
    """A checkpoint could not be anchored; it is kept in the database, and the next one says as much and more."""

    exit_code = UsageError.exit_code


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


def post_anchor(url: str, checkpoint: Checkpoint) -> None:
    """POST a checkpoint as JSON. Raises AnchorFailed, without showing the address, which may hold a secret."""
    if not url.startswith(("https://", "http://")):
        raise UsageError("the address of the anchor's webhook begins with neither https:// nor http://")
    request = urllib.request.Request(  # noqa: S310 - the scheme is checked above
        url, data=checkpoint.line().encode(), headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT):  # noqa: S310 - likewise
            return
    except urllib.error.HTTPError as error:
        reason = f"it answered {error.code}"
    except (urllib.error.URLError, OSError) as error:
        reason = str(getattr(error, "reason", "") or type(error).__name__)
    raise AnchorFailed(
        f"the checkpoint was not taken by the anchor's webhook: {reason}",
        hint="it is signed and kept in the database; `pgerase audit seal --again` sends it once more",
    )
