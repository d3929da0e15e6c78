"""Is the log as it was sealed, signed and anchored? Hashes are checked in the database, signatures here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from pgerase.counts import counted
from pgerase.database import Row
from pgerase.errors import Severity
from pgerase.operate.log import Log
from pgerase.operate.seal.anchors import read_anchors
from pgerase.operate.seal.checkpoint import Checkpoint, origin_of
from pgerase.operate.seal.findings import SealFinding
from pgerase.operate.seal.keys import PublicKey
from pgerase.operate.seal.merkle import roots

CHECKS = ("chain", "segments", "entries", "values", "records", "order", "held")
"""The routines verify_…, in the order they are asked."""

SLACK = timedelta(minutes=1)
"""For clocks that are corrected, and for those of two machines."""

Watch = Callable[[str], None]
"""Called with what is looked at next."""


@dataclass(frozen=True, slots=True)
class SealReport:
    """What was looked at and what was found."""

    headers: int
    entries: int
    unsealed: int
    checkpoints: int
    signed: int
    """How many headers the last checkpoint covers that is good; 0 where none is, or no signature was checked."""
    signed_at: datetime | None
    """When it was signed; None where none is good, or no signature was checked."""
    anchors: int | None
    """How many anchors were compared; None where none were given."""
    findings: tuple[SealFinding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; warnings may be there."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)

    @property
    def clean(self) -> bool:
        """Whether there are no warnings either; notes may be there."""
        return all(finding.severity is Severity.NOTE for finding in self.findings)


def verify_log(
    log: Log,
    *,
    keys: Sequence[PublicKey] = (),
    anchors: Path | None = None,
    every: timedelta | None = None,
    progress: Watch | None = None,
) -> SealReport:
    """Check everything, in one snapshot, and before it whether the routines that do so are ours.

    `every` is how often the log is to be sealed: what is older and unsealed is told. A file of `anchors` that is not there has none.

    Raises DatabaseFailed, OSError for anchors that cannot be read.
    """
    watch = progress or _unwatched
    lines = None if anchors is None else read_anchors(anchors) if anchors.exists() else ()
    watch("routines")
    found = _routines(log)
    with log.snapshot():
        found += _asked(log, {one.detail for one in found if one.code == "routine-changed"}, watch)
        watch("requests")
        found += _records(log)
        drops = log.rows("seal_drops")
        watch("signatures")
        headers = log.rows("seal_headers")
        kept = log.rows("seal_checkpoints")
        counts = log.rows("seal_counts")[0]
    # A header that is gone leaves a gap, and nothing after it can be signed for.
    hashes = [row["hash"] for number, row in enumerate(headers, 1) if row["segment_id"] == number]
    named = {key.key_id: key for key in keys}
    read = [Checkpoint.read(row["text"], row["key_id"], row["signature"]) for row in kept]
    sizes = {one.size for one in (*read, *(one for _, one in lines or ())) if one is not None}
    of_size = roots(hashes, sizes)
    origin = origin_of(hashes[0]) if hashes else ""
    judge = _Judge(named, origin, of_size)
    good: list[Checkpoint] = []
    told: list[Checkpoint] = []
    for row, one in zip(kept, read, strict=True):
        codes = judge.codes(one)
        if not codes and one is not None:
            good.append(one)
        found += [SealFinding(f"checkpoint-{code}", detail=f"of {counted(row['size'], 'header')}") for code in codes]
    for number, one in lines or ():
        codes = judge.codes(one)
        if one is not None and one.origin == origin and one.size > len(hashes):
            codes = tuple("ahead" if code == "broken" else code for code in codes)
        found += [SealFinding(f"anchor-{code}", detail=f"line {number}") for code in codes]
        if not codes and one is not None:
            told.append(one)
    if not keys and (read or lines):
        found.append(
            SealFinding(
                "signatures-unchecked",
                detail=f"{counted(len(read), 'checkpoint')}, {counted(len(lines or ()), 'anchor')}",
            )
        )
    if not headers or not (read or told):
        found.append(SealFinding("nothing-signed" if headers else "nothing-sealed"))
    found += [*_early(drops, (*good, *told)), *_shortened(drops, counts["now"])]
    found += _ahead(headers, counts, (*good, *told))
    if lines is not None:
        found += _unanchored(read, lines)
    last = max(good, key=lambda one: one.size, default=None)
    covered = last.size if last else 0
    if every is not None:
        found += _late(headers[covered:], counts, every)
    return SealReport(
        headers=len(headers),
        entries=counts["entries"],
        unsealed=counts["unsealed"],
        checkpoints=len(kept),
        # What nobody checked is no signature.
        signed=covered if keys else 0,
        signed_at=last.at if last and keys else None,
        anchors=None if lines is None else len(lines),
        findings=tuple(found),
    )


@dataclass(frozen=True, slots=True)
class _Judge:
    """What is wrong with checkpoints; without keys, only what can be told without."""

    keys: dict[str, PublicKey]
    origin: str
    roots: dict[int, bytes]

    def codes(self, one: Checkpoint | None) -> tuple[str, ...]:
        if one is None:
            return ("forged",)
        key = self.keys.get(one.key_id)
        if key is not None and not key.signed(one.text, one.signature):
            return ("forged",)
        unknown = ("unknown-key",) if self.keys and key is None else ()
        if one.origin != self.origin or self.roots.get(one.size) != one.root:
            # Whoever signed it: else an unknown key would be all that is wrong.
            return (*unknown, "broken")
        return unknown


def _unanchored(read: Iterable[Checkpoint | None], lines: Iterable[tuple[int, Checkpoint | None]]) -> list[SealFinding]:
    """Checkpoints of more headers than every anchor."""
    anchored = max((one.size for _, one in lines if one is not None), default=0)
    last = max((one.size for one in read if one is not None), default=0)
    if last <= anchored:
        return []
    return [SealFinding("anchor-missing", detail=f"anchored up to header {anchored}, checkpoints up to {last}")]


def _routines(log: Log) -> list[SealFinding]:
    """Whoever can write the log can replace what looks at it."""
    authentic = log.authentic()
    found = [SealFinding("routine-changed", detail=name) for name in authentic.different]
    return [*found, SealFinding("routines-unchecked", detail=authentic.unchecked)] if authentic.unchecked else found


def _asked(log: Log, replaced: Collection[str], watch: Watch) -> list[SealFinding]:
    """What the log's routines find; what somebody else wrote in place of one is not even asked."""
    found: list[SealFinding] = []
    for check in (one for one in CHECKS if f"verify_{one}" not in replaced):
        watch(check)
        found += [_finding(row) for row in log.call(f"verify_{check}")]
    if "detached" not in replaced:
        found += [SealFinding("table-detached", detail=row["relation"]) for row in log.rows("seal_detached")]
    return found


def _finding(row: Row) -> SealFinding:
    return SealFinding(row["code"], row["class"], row["segment_id"], row["entry_id"], row["part"])


def _early(drops: Iterable[Row], signed: Sequence[Checkpoint]) -> list[SealFinding]:
    """Records of dropping that were signed before it was due: whoever may seal may name another time, and not another signature."""
    found: list[SealFinding] = []
    for row in drops:
        first = min((one.at for one in signed if one.size >= row["segment_id"]), default=None)
        if first is not None and first < row["due_at"] - SLACK:
            detail = f"record {row['record_id']}, signed {first:%Y-%m-%d %H:%M} UTC"
            found.append(SealFinding("drop-early", row["class"], row["segment_id"], detail=detail))
    return found


def _shortened(drops: Iterable[Row], now: datetime) -> list[SealFinding]:
    """Records of dropping what the longest length since would still keep: who shortened it, rightly or not, made it go."""
    found: list[SealFinding] = []
    for row in drops:
        if row["kept_until"] is not None and row["kept_until"] > max(row["due_at"], now):
            detail = f"record {row['record_id']}, else kept until {_minute(row['kept_until'])}"
            found.append(SealFinding("drop-shortened", row["class"], row["segment_id"], detail=detail))
    return found


def _records(log: Log) -> list[SealFinding]:
    """What is wrong with records by what they say."""
    named = {"seal_requests": "erasure-unrequested", "seal_unreadable": "record-unreadable"}
    found = [
        SealFinding(code, detail=f"record {row['record_id']}")
        for query, code in named.items()
        for row in log.rows(query)
    ]
    return [*found, *_keeps(log.rows("seal_keeps"))]


def _keeps(rows: Iterable[Row]) -> list[SealFinding]:
    """Each shortening, and classes whose records say something else than what retention goes by."""
    found: list[SealFinding] = []
    for row in rows:
        what = f"record {row['record_id']}"
        if row["code"] == "keep-shortened":
            detail = f"{what}, {_minute(row['at'])}, from {row['before']} to {row['keep']}"
        else:
            detail = f"{what} says {row['keep']}, the class {row['before'] or 'is not there'}"
        found.append(SealFinding(row["code"], row["class"], detail=detail))
    return found


def _ahead(headers: Sequence[Row], counts: Row, signed: Sequence[Checkpoint]) -> list[SealFinding]:
    """Times that cannot be: sealed after it was signed, signed before what is shorter, or later than now."""
    found: list[SealFinding] = []
    by_size = sorted(signed, key=lambda one: (one.size, one.at))
    for before, one in pairwise(by_size):
        if one.size > before.size and one.at < before.at - SLACK:
            detail = (
                f"of {counted(one.size, 'header')}, signed {_minute(one.at)}, of {before.size}, {_minute(before.at)}"
            )
            found.append(SealFinding("signer-set-back", detail=detail))
    # From the last header back, the earliest signature that covers it.
    earliest: datetime | None = None
    ahead: list[Row] = []
    for row in reversed(headers):
        while by_size and by_size[-1].size >= row["segment_id"]:
            at = by_size.pop().at
            earliest = at if earliest is None else min(earliest, at)
        if earliest is not None and row["at"] > earliest + SLACK:
            ahead.append(row)
    found += [
        SealFinding("header-ahead", segment=row["segment_id"], detail=f"dated {_minute(row['at'])}")
        for row in reversed(ahead)
    ]
    latest = {
        "headers": max((row["at"] for row in headers), default=None),
        "entries": counts["last_entry"],
        "records": counts["last_record"],
        "checkpoints": max((one.at for one in signed), default=None),
    }
    found += [
        SealFinding("time-ahead", detail=f"{what} up to {_minute(at)}")
        for what, at in latest.items()
        if at is not None and at > counts["now"] + SLACK
    ]
    return found


def _minute(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _late(unsigned: Iterable[Row], counts: Row, every: timedelta) -> list[SealFinding]:
    """Twice the time between two seals is late: a run takes its time, too."""
    now: datetime = counts["now"]
    found: list[SealFinding] = []
    late = [row for row in unsigned if row["at"] < now - 2 * every]
    if late:
        found.append(SealFinding("unsigned", detail=f"{len(late)}, since {late[0]['at']:%Y-%m-%d %H:%M %Z}"))
    oldest: datetime | None = counts["oldest"]
    if oldest is not None and oldest < now - 2 * every:
        found.append(SealFinding("unsealed", detail=f"{counts['unsealed']}, since {oldest:%Y-%m-%d %H:%M %Z}"))
    return found


def _unwatched(_: str) -> None:
    """Nobody looks."""
