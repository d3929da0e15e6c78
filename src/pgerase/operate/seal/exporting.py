"""A whole log as lines of JSON, for somebody who has neither the database nor pgerase (docs/seal.md, the export)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pgerase.operate.log import Log
from pgerase.operate.seal.checkpoint import origin_of
from pgerase.operate.seal.sealing import kept_checkpoints

FORMAT = 1
"""The version of the lines; it grows when a field changes its meaning or goes."""

_CHUNK = 20_000

Watch = Callable[[int, int, int], None]
"""Called with how many entries were written, up to which number, and the last number there is."""


@dataclass(frozen=True, slots=True)
class Exported:
    """How many lines of each type were written."""

    headers: int
    checkpoints: int
    records: int
    entries: int
    held: int


def export_log(log: Log, path: Path, *, values: bool = True, progress: Watch | None = None) -> Exported:
    """Write a log to a new file that only this account may read: without `values`, nothing that is somebody's is in it.

    Raises FileExistsError, OSError, DatabaseFailed.
    """
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file, log.snapshot():
        return _write(log, file, values=values, progress=progress or _unwatched)


def _write(log: Log, file: IO[str], *, values: bool, progress: Watch) -> Exported:
    head = log.rows("seal_head")[0]
    bounds = log.rows("seal_bounds")[0]
    origin = origin_of(head["first"]) if head["first"] else None
    at = bounds["now"].isoformat()
    _line(file, {"type": "log", "format": FORMAT, "origin": origin, "exported_at": at, "values": values})
    headers = _lines(file, _chunks(log, "header", 1, head["size"], values=values))
    checkpoints = kept_checkpoints(log)
    for one in checkpoints:
        _line(file, {"type": "checkpoint", **json.loads(one.line())})
    records = _lines(file, _chunks(log, "record", bounds["first_record"], bounds["last_record"], values=values))
    # What is apart has no numbers.
    _lines(file, _chunks(log, "apart", 0, 0, values=values))
    held = _lines(file, _chunks(log, "held", bounds["first_held"], bounds["last_held"], values=values))
    entries = 0
    first, last = bounds["first_entry"], bounds["last_entry"]
    for number, chunk in enumerate(_chunks(log, "entry", first, last, values=values), 1):
        entries += _lines(file, iter([chunk]))
        # Numbers have gaps: how many entries there are nobody has counted.
        progress(entries, min(first + number * _CHUNK - 1, last), last)
    return Exported(headers, len(checkpoints), records, entries, held)


def _chunks(log: Log, kind: str, first: int | None, last: int | None, *, values: bool) -> Iterator[list[str]]:
    """The database's lines of one type, so many numbers at a time."""
    if first is None or last is None:
        return
    for begin in range(first, last + 1, _CHUNK):
        rows = log.call("export_lines", kind, begin, min(begin + _CHUNK - 1, last), values)
        yield [row["export_lines"] for row in rows]


def _lines(file: IO[str], chunks: Iterator[list[str]]) -> int:
    written = 0
    for chunk in chunks:
        for line in chunk:
            file.write(line + "\n")
        written += len(chunk)
    return written


def _line(file: IO[str], data: dict[str, Any]) -> None:
    file.write(json.dumps(data) + "\n")


def _unwatched(entries: int, number: int, last: int) -> None:
    """Nobody looks."""
