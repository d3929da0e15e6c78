"""Checks an exported audit log of pgerase, without pgerase and without the database.

    python verify_log.py export.jsonl --public-key key.pem [--anchors anchors.jsonl]
    python verify_log.py export.jsonl --public-key key.pem --entry 42 --proof entry-42.json
    python verify_log.py entry-42.json --public-key key.pem

Needs Python 3.11 and the package `cryptography`, nothing else. What is hashed and how is described in pgerase's docs/seal.md; the trees
are those of RFC 6962 and RFC 9162. Get the public key and the anchors from somebody who does not run the database: an export says
nothing about itself, and take them before you ask for it: an anchor signed after the export is of more than the export has. Exit
code 0: the log is as it was sealed, or nothing is sealed or signed yet, which is said; 1: it is not, or the keys given do not prove it (`--strict`: or something is
not signed, not anchored or left out); 2: called wrongly, or a file cannot be read.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MINUTE = 60_000_000
ZEROS = bytes(32)
NUMBERED = re.compile(r'\["pgerase record 1", ?(-?[0-9]{1,19}),')
SHOWN = 10
CHECKPOINT = re.compile(
    r"(pgerase/[0-9a-f]{32})\n(0|[1-9][0-9]{0,17})\n([A-Za-z0-9+/]{43}=)\nat (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)\n\Z"
)


# --- trees (RFC 6962, RFC 9162) ---


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def tree_root(hashes: list[bytes]) -> bytes:
    """The root over hashes of leaves, level by level: a node without a partner goes up as it is."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    level = hashes
    while len(level) > 1:
        pairs = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = pairs + (level[-1:] if len(level) % 2 else [])
    return level[0]


def inclusion_proof(place: int, hashes: list[bytes]) -> list[bytes]:
    """The hashes that lead from a leaf to the root, from the bottom."""
    path: list[bytes] = []
    level = hashes
    while len(level) > 1:
        if place ^ 1 < len(level):
            path.append(level[place ^ 1])
        pairs = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
        level = pairs + (level[-1:] if len(level) % 2 else [])
        place //= 2
    return path


def root_of_path(leaf: bytes, place: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that a leaf and its path lead to (RFC 9162, 2.1.3.2); None where the path is none."""
    if not 0 <= place < size:
        return None
    last, node = size - 1, leaf
    for other in path:
        if last == 0:
            return None
        if place % 2 or place == last:
            node = node_hash(other, node)
            while place % 2 == 0 and place:
                place //= 2
                last //= 2
        else:
            node = node_hash(node, other)
        place //= 2
        last //= 2
    return node if last == 0 else None


def consistency_proof(first: int, hashes: list[bytes]) -> list[bytes]:
    """What proves that the tree over the first so many hashes is a beginning of the whole one (RFC 6962, 2.1.2)."""

    def proof(size: int, part: list[bytes], *, whole: bool) -> list[bytes]:
        if size == len(part):
            return [] if whole else [tree_root(part)]
        split = 1 << ((len(part) - 1).bit_length() - 1)
        if size <= split:
            return [*proof(size, part[:split], whole=whole), tree_root(part[split:])]
        return [*proof(size - split, part[split:], whole=False), tree_root(part[:split])]

    return proof(first, hashes, whole=True)


def is_consistent(first: int, second: int, first_root: bytes, second_root: bytes, path: list[bytes]) -> bool:
    """Whether a consistency proof holds (RFC 9162, 2.1.4.2)."""
    if first == second:
        return not path and first_root == second_root
    if first == 0:
        return not path
    if first > second or not path:
        return False
    nodes = [first_root, *path] if first & (first - 1) == 0 else list(path)
    place, last = first - 1, second - 1
    while place % 2:
        place //= 2
        last //= 2
    old = new = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if place % 2 or place == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while place % 2 == 0 and place:
                place //= 2
                last //= 2
        else:
            new = node_hash(new, node)
        place //= 2
        last //= 2
    return last == 0 and old == first_root and new == second_root


# --- times ---

INTERVAL = re.compile(
    r"(?:(?P<years>[+-]?\d{1,8}) years? ?)?(?:(?P<months>[+-]?\d{1,2}) mons? ?)?(?:(?P<days>[+-]?\d{1,9}) days? ?)?"
    r"(?P<time>(?P<sign>[+-]?)(?P<hours>\d{1,9}):(?P<minutes>[0-5]\d):(?P<seconds>[0-5]\d(?:\.\d{1,6})?))?\Z",
    re.ASCII,
)
TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d(?::\d\d)?)\Z", re.ASCII)
NEVER = datetime.max.replace(tzinfo=UTC)
MIDDLE = datetime(3000, 1, 1, tzinfo=UTC)


def bound(text: str | None, otherwise: datetime) -> datetime:
    """A bound of a record: without one, or where it is beyond all times, the one that is given. Raises ValueError."""
    if text == "-infinity":
        return datetime.min.replace(tzinfo=UTC)
    if text in (None, "infinity"):
        return otherwise
    if not TIME.match(text):
        raise ValueError(f"{text!r} is no time")
    return datetime.fromisoformat(text)


def length(keep: str) -> tuple[int, int, timedelta]:
    """Months, days and time of an interval as PostgreSQL spells it. Raises ValueError for another spelling."""
    match = INTERVAL.match(keep)
    if match is None or not keep:
        raise ValueError(f"{keep!r} is no interval")
    number = {name: int(match[name] or 0) for name in ("years", "months", "days")}
    time = timedelta()
    if match["time"]:
        time = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"]), seconds=float(match["seconds"]))
    return number["years"] * 12 + number["months"], number["days"], -time if match["sign"] == "-" else time


def is_length(keep: str) -> bool:
    """Whether it is longer than nothing, as PostgreSQL compares: a month is thirty days. Raises ValueError for another spelling."""
    months, days, time = length(keep)
    return (months * 30 + days) * 86_400 + time.total_seconds() > 0


def later(at: datetime, keep: str) -> datetime:
    """A time and an interval as PostgreSQL spells it, months and days counted in UTC. Raises ValueError for another spelling."""
    months, days, time = length(keep)
    try:
        at = at.astimezone(UTC)
        year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
        last = (datetime(year + (month == 11), (month + 1) % 12 + 1, 1, tzinfo=UTC) - timedelta(days=1)).day
        moved = at.replace(year=year, month=month + 1, day=min(at.day, last))
        return moved + timedelta(days=days) + time
    except (ValueError, OverflowError):
        return NEVER


# --- what is read ---


@dataclass(frozen=True)
class Drop:
    """What a record says of a partition that was dropped. `keep` is how long its class was kept then, None where nobody said so."""

    number: int
    at: int
    class_name: Any
    begins: datetime
    ends: datetime
    keep: str | None
    segment: int | None
    lengths: tuple[str, ...]
    """All that were in force since the time it is of."""

    @property
    def due(self) -> datetime:
        """When it could be dropped. Of a class that was never defined, and without an upper bound: never."""
        return NEVER if self.keep is None or self.ends == NEVER else later(self.ends, self.keep)

    @property
    def kept_until(self) -> datetime:
        """When it would have been due by the longest of the lengths."""
        return max((later(self.ends, one) for one in self.lengths), default=self.due)


@dataclass(frozen=True)
class Keep:
    """What a record says of how long a class is kept, and since when it can have been so."""

    number: int
    since: datetime
    length: str
    segment: int | None


@dataclass(frozen=True)
class Record:
    """What was done to the log itself; `body` by `kind`."""

    number: int
    at: int
    kind: str
    body: dict[str, Any]
    segment: int | None

    @classmethod
    def read(cls, found: dict[str, Any]) -> Record | None:
        """From a line of an export; None where it does not say what the log's own routines write."""
        try:
            tag, number, at, kind, text = json.loads(found["text"])
            body = json.loads(text)
            made = cls(number, at, kind, body, found["segment"])
            known = tag == "pgerase record 1" and is_number(number) and type(at) is int and isinstance(kind, str)
            return made if known and isinstance(body, dict) and made.is_readable() else None
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return None

    def is_readable(self) -> bool:
        """Whether the body is one of its kind. Raises ValueError, TypeError, as reading it does."""
        body = self.body
        match self.kind:
            case "class":
                return (
                    isinstance(body.get("class"), str) and isinstance(body.get("keep"), str) and is_length(body["keep"])
                )
            case "drop":
                bound(body.get("from"), NEVER)
                bound(body.get("to"), NEVER)
                return body.get("class") is None or isinstance(body["class"], str)
            case "erasure":
                parts = body.get("parts")
                return isinstance(parts, list) and all(
                    len(part) == 2 and is_number(part[0]) and is_number(part[1]) for part in parts
                )
            case "held" | "unheld":
                numbers = body.get("numbers", [])
                return (
                    is_number(body.get("entries"))
                    and body["entries"] >= 0
                    and isinstance(numbers, list)
                    and all(map(is_number, numbers))
                )
            case _:
                return True


@dataclass(frozen=True)
class Apart:
    """What an export says of a table that is detached, or about to be: entries, values or leaves of a class and a time."""

    class_name: Any
    family: Any
    begins: datetime
    ends: datetime
    alone: bool
    """Whether no attached table has any of that time: then what is missing there can only lie in this one. Of leaves, the first
    partition does not count, which grows over what is apart in all three tables."""

    @classmethod
    def read(cls, found: dict[str, Any]) -> Apart:
        """From a line of an export. Raises KeyError, TypeError for what is none."""
        begins, ends = found["from"], found["to"]
        return cls(
            found["class"],
            found["family"],
            datetime.min.replace(tzinfo=UTC) if begins is None else instant(begins),
            NEVER if ends is None else instant(ends),
            found["alone"] is True,
        )


def is_number(found: Any) -> bool:
    """Whether it is a whole number as the log has them, which True is not."""
    return isinstance(found, int) and not isinstance(found, bool) and -(2**63) <= found < 2**63


@dataclass(frozen=True)
class Checkpoint:
    """A signed statement: so many headers, with this root."""

    text: str
    key_id: str
    signature: bytes
    origin: str
    size: int
    root: bytes
    at: str

    @classmethod
    def read(cls, found: Any) -> Checkpoint | None:
        """From a line of an export or of an anchor file; None where it is none."""
        try:
            text, key_id = found["checkpoint"], found["key_id"]
            signature = base64.b64decode(found["signature"], validate=True)
            match = CHECKPOINT.match(text)
        except (ValueError, KeyError, TypeError):
            return None
        if match is None or not isinstance(key_id, str):
            return None
        root = base64.b64decode(match[3])
        return cls(text, key_id, signature, match[1], int(match[2]), root, match[4])

    @property
    def time(self) -> datetime:
        """When it was signed, by the signer's clock. Raises ValueError."""
        return datetime.strptime(self.at, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)

    def data(self) -> dict[str, str]:
        """As it was read."""
        signature = base64.b64encode(self.signature).decode()
        return {"checkpoint": self.text, "key_id": self.key_id, "signature": signature}


@dataclass(frozen=True)
class Header:
    """One segment's header, as its text says it."""

    text: str
    number: int
    kind: str
    class_name: str | None
    begins: int | None
    ends: int | None
    leaves: int
    sequence: int
    floor: int
    oldest: int
    newest: int
    at: int
    previous: str
    root: str

    @classmethod
    def read(cls, text: str) -> Header:
        """From the text that is hashed. Raises ValueError for any other."""
        tag, number, kind, name, begins, ends, leaves, _, _, sequence, floor, oldest, newest, at, previous, root = (
            json.loads(text)
        )
        if tag != "pgerase segment 1":
            raise ValueError(f"a header of another kind: {tag}")
        return cls(
            text,
            number,
            kind,
            name,
            begins,
            ends,
            leaves,
            sequence,
            floor,
            int(oldest),
            int(newest),
            at,
            previous,
            root,
        )

    @property
    def hash(self) -> bytes:
        """What the next header names, and a leaf of the tree that is signed."""
        return leaf_hash(self.text.encode())


@dataclass
class Export:
    """A whole export."""

    origin: str | None = None
    at: str = ""
    with_values: bool = True
    headers: list[Header] = field(default_factory=list)
    hashes: list[str] = field(default_factory=list)
    checkpoints: list[Checkpoint | None] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)
    apart: list[Apart] = field(default_factory=list)
    entries: list[dict[str, Any]] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Export:
        """Read a file. Raises ValueError for what is no export, UnreadableError for one that was cut off, OSError."""
        made = cls()
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                found = read_line(path, number, line)
                kind = found.get("type") if isinstance(found, dict) else None
                if (number == 1) != (kind == "log"):
                    raise ValueError(f"line {number} is not what an export has there")
                made.add(kind, found, number)
        if not made.at:
            raise ValueError("there is nothing in it")
        return made

    def add(self, kind: str | None, found: dict[str, Any], number: int) -> None:
        """Take one line in."""
        match kind:
            case "log":
                if found["format"] != 1:
                    raise ValueError(f"an export of format {found['format']}: get a newer verify_log.py")
                self.origin, self.at, self.with_values = found["origin"], found["exported_at"], found["values"]
            case "header":
                self.headers.append(Header.read(found["text"]))
                self.hashes.append(found["hash"])
            case "checkpoint":
                self.checkpoints.append(Checkpoint.read(found))
            case "record":
                self.records.append(found)
            case "apart":
                self.apart.append(Apart.read(found))
            case "entry":
                self.entries.append(found)
            case "held":
                self.held.append(found)
            case _:
                raise ValueError(f"line {number} is of an unknown type")


class UnreadableError(Exception):
    """A file that was given is not what it was given as; the sentence names it."""


def read_line(path: Path, number: int, line: bytes) -> Any:
    """One line of a file of JSON lines. Raises UnreadableError where the file ends in it, ValueError for what is none."""
    try:
        return json.loads(line.decode())
    except ValueError as error:
        if not line.endswith(b"\n"):
            raise UnreadableError(
                f"{path}: line {number} is cut off, and what came after it is missing: get the whole file"
            ) from error
        raise ValueError(f"line {number} is no JSON: {error}") from error


class Keys:
    """The public keys that are trusted, by id. Raises UnreadableError for a file that holds none, OSError."""

    def __init__(self, paths: list[Path]) -> None:
        self.known: dict[str, Ed25519PublicKey] = {}
        for path in paths:
            try:
                key = load_pem_public_key(path.read_bytes())
            except (ValueError, UnsupportedAlgorithm):
                key = None
            if not isinstance(key, Ed25519PublicKey):
                raise UnreadableError(f"{path} holds no Ed25519 public key, as PEM")
            raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
            self.known[hashlib.sha256(raw).hexdigest()[:16]] = key

    def fault(self, one: Checkpoint | None) -> str:
        """What is wrong with a signature; empty where it is good."""
        if one is None:
            return "is no checkpoint"
        key = self.known.get(one.key_id)
        if key is None:
            return f"is signed by key {one.key_id}, which was not given"
        try:
            key.verify(one.signature, one.text.encode())
        except InvalidSignature:
            return f"is not signed by key {one.key_id}, which it names"
        return ""


# --- what is said ---


def harmless(sentence: str) -> str:
    """A sentence without what a terminal obeys: names in it are those of whoever wrote the file."""
    return "".join(sign if sign.isprintable() else "?" for sign in sentence)


class Report:
    """Sentences, good and bad."""

    def __init__(self) -> None:
        self.bad = 0
        self.notes = 0

    def good(self, sentence: str) -> None:
        """Something that holds."""
        print(harmless(f"ok      {sentence}"))

    def tell(self, sentence: str) -> None:
        """Something to know, which is in order as far as anybody can tell."""
        print(harmless(f"told    {sentence}"))

    def note(self, sentence: str) -> None:
        """Something to know, which proves nothing wrong."""
        self.notes += 1
        print(harmless(f"note    {sentence}"))

    def judge(self, faults: list[str], sentence: str) -> None:
        """A sentence that holds, or what keeps it from holding."""
        if not faults:
            self.good(sentence)
            return
        self.bad += len(faults)
        for fault in faults[:SHOWN]:
            print(harmless(f"WRONG   {fault}"))
        if len(faults) > SHOWN:
            print(f"WRONG   and {len(faults) - SHOWN} more of the kind")


def moment(micros: Any) -> str:
    """A time of the log for people."""
    if not isinstance(micros, int):
        return str(micros)
    try:
        return f"{EPOCH + timedelta(microseconds=micros):%Y-%m-%d %H:%M} UTC"
    except OverflowError:
        return str(micros)


def named(text: Any) -> str:
    """Which record it is, by the text that is hashed: nothing else of what somebody made up is passed on."""
    number = number_of(text)
    return "a record without a number" if number is None else f"record {number}"


def number_of(text: Any) -> int | None:
    """The number of a record, by the text that is hashed; None where it has none."""
    match = NUMBERED.match(text) if isinstance(text, str) else None
    return int(match[1]) if match else None


def instant(micros: int) -> datetime:
    """A time of the log, as near to it as there are dates."""
    try:
        return EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        return NEVER if micros > 0 else datetime.min.replace(tzinfo=UTC)


def micros(at: datetime) -> int:
    """A time as the log has it."""
    return (at - EPOCH) // timedelta(microseconds=1)


def counted(number: int, what: str) -> str:
    """So many of something, in words."""
    plural = what[:-1] + "ies" if what.endswith("y") else what + "s"
    return f"{number} {what if number == 1 else plural}"


# --- what is checked ---


class Verifier:
    """Looks at one export with the keys and anchors of somebody else."""

    def __init__(self, export: Export, keys: Keys, anchors: list[tuple[int, Checkpoint | None]] | None) -> None:
        self.export = export
        self.keys = keys
        self.anchors = anchors
        self.report = Report()
        self.by_number = {header.number: header for header in export.headers}
        self.leaves = [header.hash for header in export.headers]
        self.signed = 0
        """How many headers the largest good checkpoint covers."""
        self.erased: dict[tuple[int, int], list[dict[str, Any]]] = defaultdict(list)
        self.kept = 0
        """How many entries are under hold, as records say."""
        self.named: Counter[int] = Counter()
        """How often each was held and not let go since."""
        self.all_named = True
        """Whether every record says which it held; those of earlier versions say how many."""
        self.records: list[Record] = []
        """Those that can be read."""
        self.dropped: list[Drop] = []
        self.strange = 0
        """How many signatures are by keys that were not given, and otherwise in order."""
        self.told: list[Checkpoint] = []
        """Checkpoints that are good, of the export and among the anchors."""
        self.lengths: dict[Any, str] = {}
        """How long each class is kept, by the last record of it."""
        self.excused: dict[tuple[Any, datetime, datetime], datetime] = {}
        """Class and bounds of what is apart as its time is over, and when it was."""

    def run(self) -> bool:
        """Check everything; whether nothing is wrong."""
        self.chain()
        self.checkpoints()
        self.compare_anchors()
        self.read_records()
        self.segments()
        self.entries()
        self.values()
        self.order()
        self.times()
        self.check_held()
        self.tell_apart()
        self.open_ends()
        return self.report.bad == 0

    def chain(self) -> None:
        """Each header names the one before, from the first."""
        faults: list[str] = []
        before = ZEROS.hex()
        for place, header in enumerate(self.export.headers, 1):
            if header.number != place:
                faults.append(f"Chain: header {header.number} stands where header {place} should: one is missing.")
            if header.previous != before:
                faults.append(f"Chain: header {header.number} does not name the one before it.")
            if self.export.hashes[place - 1] != header.hash.hex():
                faults.append(f"Chain: header {header.number} is not what was hashed.")
            before = header.hash.hex()
        self.report.judge(faults, f"Chain: {counted(len(self.export.headers), 'header')}, each names the one before.")

    def checkpoints(self) -> None:
        """Who signed what, and is each a beginning of the next?"""
        faults: list[str] = []
        good: list[Checkpoint] = []
        for one in self.export.checkpoints:
            fault = self.fault_of_checkpoint(one, self.fault_of_root(one))
            if fault:
                of = f" of {counted(one.size, 'header')}" if one else ""
                faults.append(f"Signatures: a checkpoint{of} {fault}.")
            elif one is not None:
                good.append(one)
        good.sort(key=lambda one: one.size)
        self.told += good
        self.signed = good[-1].size if good else 0
        if not good:
            self.report.note(
                "Signatures: none is good. Nothing here is proven: whoever wrote the file could have made it up."
            )
        last = f"; the last one covers {self.signed} of {len(self.leaves)} headers, at {good[-1].at}" if good else ""
        self.report.judge(
            faults, f"Signatures: {counted(len(good), 'checkpoint')} signed by keys that were given{last}."
        )
        faults = [
            f"Consistency: the checkpoint of {counted(a.size, 'header')} is no beginning of that of {b.size}."
            for a, b in pairwise(good)
            if not self.follows(a, b)
        ]
        if len(good) > 1:
            self.report.judge(faults, "Consistency: every checkpoint is a beginning of the next.")

    def fault_of_checkpoint(self, one: Checkpoint | None, content: str) -> str:
        """What is wrong with a signature and what it is of; empty where both are good."""
        fault = self.keys.fault(one)
        if one is None or one.key_id in self.keys.known:
            return fault or content
        # Whoever signed it: else an unknown key would be all that is wrong.
        if content:
            return f"{fault}, and {content}"
        self.strange += 1
        return fault

    def fault_of_root(self, one: Checkpoint | None) -> str:
        """What is wrong with what a checkpoint says; empty where it is right."""
        if one is None:
            return "is none"
        # Without a header a log has no name: what was signed of it is more than there is.
        if one.origin != self.name() and (self.leaves or not one.size):
            return "is of another log"
        if one.size > len(self.leaves):
            return f"is of more headers than the {len(self.leaves)} there are: the end of the log was cut off"
        if tree_root(self.leaves[: one.size]) != one.root:
            return "is of other headers: the log was rewritten"
        return ""

    def name(self) -> str | None:
        """The log's name, made of its first header."""
        return f"pgerase/{self.leaves[0].hex()[:32]}" if self.leaves else None

    def follows(self, first: Checkpoint, second: Checkpoint) -> bool:
        """Whether a consistency proof between two checkpoints can be made from the headers, and holds."""
        path = consistency_proof(first.size, self.leaves[: second.size])
        return is_consistent(first.size, second.size, first.root, second.root, path)

    def compare_anchors(self) -> None:
        """Is the log the one that was anchored elsewhere?"""
        if self.anchors is None:
            self.report.note(
                "Anchors: none were given. A log that was rewritten and signed again would not be noticed."
            )
            return
        if not self.anchors:
            self.report.note("Anchors: the file holds none. A log that was rewritten would not be noticed.")
            return
        faults: list[str] = []
        for line, one in self.anchors:
            fault = self.fault_of_checkpoint(one, self.fault_of_end(one) or self.fault_of_root(one))
            if fault:
                faults.append(f"Anchors: line {line} {fault}.")
            elif one is not None:
                self.told.append(one)
        self.report.judge(faults, f"Anchors: {counted(len(self.anchors), 'anchor')}, all of this log.")

    def fault_of_end(self, one: Checkpoint | None) -> str:
        """What is wrong with an anchor of more headers than there are; it may be newer than the export. Empty for any other."""
        if one is None or one.size <= len(self.leaves) or (self.leaves and one.origin != self.name()):
            return ""
        said = (
            f"is of {counted(one.size, 'header')}, and there are {len(self.leaves)}. It was signed at {one.at}, and the export"
            f" says it was made at {self.export.at}"
        )
        # The time of an export is its maker's word: it can show that the anchor was there before, and not that it was not.
        if micros(one.time) + MINUTE < micros(datetime.fromisoformat(self.export.at)):
            return f"{said}, after it: the end of the log was cut off, or this is an older copy of it"
        return f"{said}. Either it was signed after this export: take a new export; or the end of the log was cut off"

    def read_records(self) -> None:
        """What was done to the log itself: erased and dropped. Records are in segments of their own."""
        # What somebody made up is told, and keeps nothing else from being looked at.
        faults: list[str] = []
        for found in self.export.records:
            record = Record.read(found)
            if record is None:
                faults.append(
                    f"Records: {named(found['text'])} says what the log itself writes in none, and nothing goes by it."
                )
            else:
                self.records.append(record)
        self.records.sort(key=lambda one: one.number)
        self.go_by_records()
        groups: dict[int, list[str]] = defaultdict(list)
        for found in sorted(self.export.records, key=lambda one: number_of(one["text"]) or 0):
            if found["segment"] is not None:
                groups[found["segment"]].append(found["text"])
        for header in self.export.headers:
            texts = groups.pop(header.number, [])
            if header.kind == "record" and tree_root([leaf_hash(text.encode()) for text in texts]).hex() != header.root:
                faults.append(f"Records: those of segment {header.number} are not as they were sealed.")
            elif header.kind != "record" and texts:
                faults.append(f"Records: some say they are in segment {header.number}, which holds none.")
        faults += [f"Records: some are in segment {number}, which has no header." for number in groups]
        self.report.judge(
            faults, f"Records: {counted(len(self.export.records), 'record')} of what was done to the log itself."
        )

    def go_by_records(self) -> None:
        """What the records say, one after the other."""
        keeps: dict[Any, list[Keep]] = defaultdict(list)
        for record in self.records:
            number, at, kind, body = record.number, record.at, record.kind, record.body
            if kind == "erasure":
                for entry, part in body["parts"]:
                    self.erased[entry, part].append({"segment": record.segment, "request": body.get("request")})
            elif kind in ("held", "unheld"):
                self.kept += body["entries"] if kind == "held" else -body["entries"]
                for entry in body.get("numbers", ()):
                    self.named[entry] += 1 if kind == "held" else -1
                self.all_named &= kind == "unheld" or "numbers" in body
            elif kind == "class":
                one = Keep(number, self.since(at, record.segment), body["keep"], record.segment)
                self.tell_shortened(body["class"], at, keeps[body["class"]][-1:], one)
                keeps[body["class"]].append(one)
                self.lengths[body["class"]] = one.length
            elif kind == "drop" and body.get("class") is not None:
                # Without a class it is of a table that was empty, and of no segment.
                begins = bound(body.get("from"), datetime.min.replace(tzinfo=UTC))
                ends = bound(body.get("to"), NEVER)
                name = body["class"]
                # A length that was sealed after the drop does not count: numbers can be chosen, and segments not.
                segment = record.segment
                known = [
                    one
                    for one in keeps[name]
                    if segment is None or (one.segment is not None and one.segment <= segment)
                ]
                ended = [*(one.since for one in known[1:]), NEVER]
                lengths = tuple(one.length for one, end in zip(known, ended, strict=False) if end > begins)
                keep = known[-1].length if known else None
                self.dropped.append(Drop(number, at, name, begins, ends, keep, segment, lengths))

    def since(self, at: int, segment: int | None) -> datetime:
        """When what a record says can have been in force: it was not sealed at the last header before, whatever it says."""
        before = [one.at for one in self.export.headers if segment is None or one.number < segment]
        return instant(max([at, *before]))

    def tell_shortened(self, name: str, at: int, before: list[Keep], now: Keep) -> None:
        """Say that a class is kept for a shorter time than before. Nothing in the log tells whether somebody decided that."""
        # From a time past which there are others, be the record's own beyond all times: lengths are compared, not ends.
        since = min(instant(at), MIDDLE)
        for one in before:
            if later(since, now.length) < later(since, one.length):
                self.report.tell(
                    f"Retention: {name} is kept for {now.length} since {moment(at)}, and for {one.length} before"
                    f" (record {now.number})."
                )

    def segments(self) -> None:
        """Do the leaves of each segment come to its root? Where none is left, its time has to be over."""
        groups: dict[int, list[tuple[int, int, str]]] = defaultdict(list)
        for entry in self.export.entries:
            if entry["segment"] is not None:
                groups[entry["segment"]].append((entry["position"], entry["number"], entry["hash"]))
        faults: list[str] = []
        gone = apart = 0
        for header in self.export.headers:
            found = sorted(groups.pop(header.number, []))
            if header.kind != "entry":
                continue
            where = f"segment {header.number} ({header.class_name}, {moment(header.begins)[:10]})"
            if not found and not self.is_recorded(header) and self.is_over("leaf", header):
                apart += 1
            elif not found:
                gone += 1
                faults += self.fault_of_drop(header, where)
            elif len(found) != header.leaves:
                faults.append(f"Entries: {where} has {len(found)} leaves, and was sealed with {header.leaves}.")
            elif [place for place, _, _ in found] != list(range(header.leaves)) or sorted(
                number for _, number, _ in found
            ) != [number for _, number, _ in found]:
                faults.append(f"Entries: {where} is in another order than it was sealed in.")
            elif tree_root([bytes.fromhex(leaf) for _, _, leaf in found]).hex() != header.root:
                faults.append(f"Entries: {where} does not come to the root in its header.")
        faults += [f"Entries: some are in segment {number}, which has no header." for number in groups]
        kept = sum(1 for header in self.export.headers if header.kind == "entry") - gone - apart
        said = f", {apart} detached as their time was over, and not dropped yet" if apart else ""
        self.report.judge(
            faults, f"Segments: {kept} whole, {gone} dropped as their time was over, each with a record of it{said}."
        )

    def records_of(self, header: Header) -> list[Drop]:
        """Records of dropping what a segment was in."""
        return [
            one
            for one in self.dropped
            if one.class_name == header.class_name
            # Of a table that somebody detached the record has the times of its rows, somewhere within those of the partition.
            and (header.ends is None or one.begins < instant(header.ends))
            and (header.begins is None or instant(header.begins) < one.ends)
            # What was sealed after the record was not there to be dropped.
            and (one.segment is None or one.segment > header.number)
        ]

    def is_recorded(self, header: Header) -> bool:
        """Whether a record says that a segment was dropped, of a time when it was due."""
        return any(self.latest(one) >= one.due for one in self.records_of(header))

    def fault_of_drop(self, header: Header, where: str) -> list[str]:
        """What is wrong with a segment that has no leaves any more."""
        named = self.records_of(header)
        sealed = [one for one in named if self.latest(one) >= one.due]
        if not sealed and self.apart("leaf", header):
            return [f"Entries: {where} is gone: somebody detached its partition before its time was over."]
        if named and not sealed:
            return [
                f"Entries: {where} is gone, and the record of it is of {self.latest(named[0]):%Y-%m-%d %H:%M} UTC, before it was due."
            ]
        if not sealed:
            return [f"Entries: {where} is gone, and no record says that its time was over."]
        if not any(one.segment is not None and one.segment <= self.signed for one in sealed):
            self.report.note(f"Entries: {where} was dropped, and the record of it is not signed yet.")
        until = min(one.kept_until for one in sealed)
        if until > max(datetime.now(UTC), *(one.due for one in sealed)):
            self.report.note(
                f"Entries: {where} would be kept until {until:%Y-%m-%d %H:%M} UTC, had nobody shortened how long it is kept."
            )
        return []

    def apart(self, family: str, header: Header) -> list[Apart]:
        """What is apart, as the export says, of the tables that a segment is in."""
        begins, ends = instant(header.begins or 0), instant(header.ends or 0)
        return [
            one
            for one in self.export.apart
            if one.family == family and one.class_name == header.class_name and one.begins < ends and begins < one.ends
        ]

    def is_over(self, family: str, header: Header) -> bool:
        """Whether a segment is apart in a table of this family, and its time is over."""
        found = [one for one in self.apart(family, header) if one.alone]
        sealed = instant(header.at)
        keep = self.lengths.get(header.class_name)
        # What was sealed when that time was over already was found late, and is kept from then.
        if keep is not None and any(sealed >= self.due(one) for one in found) and later(sealed, keep) > self.asked():
            return False
        return self.excuse(found)

    def was_over(self, family: str, name: Any, at: Any) -> bool:
        """Whether what is of this class and time is apart in a table of this family that alone can have it, and its time is over."""
        if type(at) is not int:
            return False
        return self.excuse(
            [
                one
                for one in self.export.apart
                if one.alone
                and one.family == family
                and one.class_name == name
                and one.begins <= instant(at) < one.ends
            ]
        )

    def excuse(self, found: list[Apart]) -> bool:
        """Whether the time of each of them was over when the export was made, by the lengths in the records; there has to be one."""
        dues = {one: self.due(one) for one in found}
        if not dues or max(dues.values()) > self.asked():
            return False
        self.excused |= {(one.class_name, one.begins, one.ends): due for one, due in dues.items()}
        return True

    def asked(self) -> datetime:
        """When the export was made. Whoever made it says when; it was not later than now."""
        return min(datetime.now(UTC), datetime.fromisoformat(self.export.at))

    def due(self, one: Apart) -> datetime:
        """When what is apart may be dropped. Of a class that was never defined, and without an upper bound: never."""
        keep = self.lengths.get(one.class_name)
        return NEVER if keep is None or one.ends == NEVER else later(one.ends, keep)

    def tell_apart(self) -> None:
        """What was excused: nothing looked into it."""
        for (name, begins, ends), due in sorted(self.excused.items(), key=lambda one: (str(one[0][0]), one[0][1])):
            begun = "the beginning" if begins.year == 1 else f"{begins:%Y-%m-%d}"
            self.report.note(
                f"Retention: tables of {name} from {begun} to {ends:%Y-%m-%d %H:%M} UTC are detached, or about to be, and not"
                f" dropped yet. Their time was over at {due:%Y-%m-%d %H:%M} UTC; nothing is proven of what is in them."
            )

    def latest(self, drop: Drop) -> datetime:
        """When a record was there at the latest: what it says, or who sealed or signed it since, with a minute for clocks that differ."""
        since = [
            instant(header.at + MINUTE)
            for header in self.export.headers
            if drop.segment is not None and header.number >= drop.segment
        ]
        since += [
            one.time + timedelta(microseconds=MINUTE)
            for one in self.told
            if drop.segment is not None and one.size >= drop.segment
        ]
        return min([instant(drop.at), *since])

    def entries(self) -> None:
        """Is every sealed entry as it was sealed? A leaf says nothing of an entry that was changed."""
        faults: list[str] = []
        floor = max((header.floor for header in self.export.headers), default=0)
        seen: set[tuple[int, Any]] = set()
        sealed = unsealed = 0
        for entry in self.export.entries:
            number, text = entry["number"], entry["text"]
            if text is None:
                if not self.is_entry_apart(entry):
                    faults.append(f"Entries: entry {number} was sealed, and is gone.")
                continue
            fields = json.loads(text)
            if (number, fields[2]) in seen:
                faults.append(f"Entries: entry {number} is there more than once.")
            seen.add((number, fields[2]))
            if entry["segment"] is None:
                unsealed += 1
                if number <= floor and not self.was_over("leaf", fields[1], fields[2]):
                    faults.append(f"Entries: entry {number} was put in later, with a number of before.")
                continue
            sealed += 1
            fault = self.fault_of_entry(entry, fields)
            if fault:
                faults.append(f"Entries: entry {number} {fault}.")
        self.report.judge(faults, f"Entries: {sealed} as they were sealed, {unsealed} not sealed yet, and not guarded.")

    def is_entry_apart(self, entry: dict[str, Any]) -> bool:
        """Whether an entry that is gone lies apart as its time is over: sealed, its header knows of which class and day it was."""
        name, at = entry.get("class"), entry.get("at")
        header = self.by_number.get(entry["segment"])
        if entry["segment"] is not None and (
            header is None
            or header.class_name != name
            or type(at) is not int
            or not (header.begins or 0) <= at < (header.ends or 0)
        ):
            return False
        return self.was_over("entry", name, at)

    def fault_of_entry(self, entry: dict[str, Any], fields: list[Any]) -> str:
        """What is wrong with a sealed entry; empty where nothing is."""
        commitments = b"".join(bytes.fromhex(one) for one in entry["commitments"])
        computed = leaf_hash(bytes.fromhex(entry["salt"]) + entry["text"].encode() + commitments)
        if computed.hex() != entry["hash"] or fields[0] != "pgerase entry 1":
            return "is not as it was sealed"
        header = self.by_number.get(entry["segment"])
        if fields[3] != entry["number"] or fields[16] != len(entry["commitments"]):
            return "is not the one of its number"
        if header is not None and (
            fields[1] != header.class_name or not (header.begins or 0) <= fields[2] < (header.ends or 0)
        ):
            return "is in a segment of another class or day"
        return ""

    def values(self) -> None:
        """Is every value as it was sealed, or erased with a record?"""
        faults: list[str] = []
        kept = erased = unsigned = unread = 0
        requests: set[str] = set()
        for entry in self.export.entries:
            if entry["text"] is None:
                continue
            parts = {one["part"]: one["text"] for one in entry["values"]}
            if len(parts) != len(entry["values"]):
                faults.append(f"Values: entry {entry['number']} has one more than once.")
            fields = json.loads(entry["text"])
            announced = fields[16]
            faults += [
                f"Values: part {part} of entry {entry['number']} was put in later."
                for part in parts
                if not 1 <= part <= announced
            ]
            for part in range(1, announced + 1):
                records = self.erased.get((entry["number"], part), [])
                requests |= {str(record["request"]) for record in records}
                fault = self.fault_of_value(entry, part, parts)
                if fault and part not in parts and self.was_over("value", fields[1], fields[2]):
                    continue
                if fault:
                    faults.append(f"Values: part {part} of entry {entry['number']} {fault}.")
                elif part not in parts:
                    erased += 1
                    unsigned += not any(one["segment"] is not None and one["segment"] <= self.signed for one in records)
                elif entry["segment"] is not None:
                    kept += parts[part] is not None
                    unread += parts[part] is None
        word = "request" if len(requests) == 1 else "requests"
        why = f" ({word} {', '.join(sorted(requests))})" if requests else ""
        self.report.judge(
            faults, f"Values: {kept} of people as they were sealed, {erased} erased, each with a record{why}."
        )
        if unread:
            self.report.note(f"Values: {unread} were left out of the export, and could not be checked.")
        if unsigned:
            self.report.note(f"Values: the records of {counted(unsigned, 'erasure')} are not signed yet.")

    def fault_of_value(self, entry: dict[str, Any], part: int, parts: dict[int, str | None]) -> str:
        """What is wrong with a value, or with its being gone; empty where nothing is."""
        has_record = (entry["number"], part) in self.erased
        if part not in parts:
            return "" if has_record else "is gone, and no record says that it was erased"
        if has_record:
            return "is back, though it was erased"
        text = parts[part]
        if text is None and self.export.with_values:
            return "was left out, and the export says that it has all"
        if entry["segment"] is None or text is None:
            return ""
        return "" if self.is_value(entry, part, text) else "is not as it was sealed"

    @staticmethod
    def is_value(entry: dict[str, Any], part: int, text: str) -> bool:
        """Whether a value is the one that was committed to."""
        salt, commitment = entry["salts"][part - 1], entry["commitments"][part - 1]
        fields = json.loads(text)
        return (
            salt is not None
            and hashlib.sha256(bytes.fromhex(salt) + text.encode()).hexdigest() == commitment
            and fields[0] == "pgerase value 1"
            and fields[3:5] == [entry["number"], part]
        )

    def order(self) -> None:
        """Does an entry that was numbered after a seal say that it happened before it?"""
        faults: list[str] = []
        headers = self.export.headers
        for one, after in pairwise(headers):
            if after.at < one.at:
                self.report.note(f"Order: the clock was set back between header {one.number} and {after.number}.")
        runs = sorted({header.sequence: place for place, header in enumerate(headers)}.items())
        at = -1
        for entry in sorted(
            (one for one in self.export.entries if one["text"] is not None), key=lambda one: one["number"]
        ):
            while at + 1 < len(runs) and runs[at + 1][0] < entry["number"]:
                at += 1
            if at < 0:
                continue
            place = runs[at][1]
            run = headers[place]
            if place + 1 < len(headers) and headers[place + 1].at < run.at:
                continue
            fields = json.loads(entry["text"])
            # Who says that it was running then may not have begun at a seal before.
            began = max(
                (
                    one.at
                    for one, after in pairwise(headers)
                    if one.at <= after.at and one.sequence < entry["number"] and one.newest <= int(fields[4])
                ),
                default=fields[2],
            )
            is_running = run.oldest <= int(fields[4]) < run.newest
            if fields[2] < run.at - MINUTE and (not is_running or fields[2] < began - MINUTE):
                faults.append(
                    f"Order: entry {entry['number']} says {moment(fields[2])}, and was numbered after the seal of {moment(run.at)}."
                )
        self.report.judge(faults, "Order: what was numbered after a seal did not happen before it.")

    def times(self) -> None:
        """Times that cannot be. Notes, as they prove no change: clocks are wrong at times, or were set so."""
        sealed = {header.number: header.at for header in self.export.headers}
        dated = [
            (f"entry {one['number']}", json.loads(one["text"])[2], one["segment"])
            for one in (*self.export.entries, *self.export.held)
            if one["text"] is not None
        ]
        late = [(what, at, segment) for what, at, segment in dated if at > sealed.get(segment, at) + MINUTE]
        for what, at, segment in late[:SHOWN]:
            self.report.note(f"Times: {what} says {moment(at)}, and was sealed {moment(sealed[segment])}.")
        by_size = sorted(self.told, key=lambda one: (one.size, one.time))
        for one, after in pairwise(by_size):
            if after.size > one.size and micros(after.time) < micros(one.time) - MINUTE:
                self.report.note(
                    f"Times: {after.size} headers were signed {after.at}, {one.size} of them {one.at}: the signer's clock was set back."
                )
        for header in self.export.headers:
            first = min((micros(one.time) for one in self.told if one.size >= header.number), default=header.at)
            if header.at > first + MINUTE:
                self.report.note(
                    f"Times: header {header.number} says {moment(header.at)}, and was signed {moment(first)} at the latest."
                )
        now = micros(datetime.now(UTC)) + MINUTE
        dated += [(f"header {header.number}", header.at, None) for header in self.export.headers]
        dated += [(f"record {one.number}", one.at, None) for one in self.records]
        dated += [(f"the checkpoint of {counted(one.size, 'header')}", micros(one.time), None) for one in self.told]
        future = [(what, at) for what, at, _ in dated if at > now]
        if future:
            what, at = max(future, key=lambda one: one[1])
            self.report.note(f"Times: {len(future)} lie in the future, the last of them is {what}: {moment(at)}.")

    def check_held(self) -> None:
        """Entries under hold outlive their partition: their path leads to the root in the header."""
        faults: list[str] = []
        if len({held["number"] for held in self.export.held}) != self.kept or len(self.export.held) != self.kept:
            faults.append(f"Holds: {counted(len(self.export.held), 'entry')} kept, where records say {self.kept}.")
        numbers = {held["number"] for held in self.export.held}
        faults += [
            f"Holds: entry {number} is under hold, as records say, and gone."
            for number in sorted(self.named)
            if self.named[number] > 0 and number not in numbers
        ]
        if self.all_named:
            faults += [
                f"Holds: entry {number} is kept, and no record says that it is under hold."
                for number in sorted(numbers)
                if self.named[number] <= 0
            ]
        unsealed = 0
        for held in self.export.held:
            if held["segment"] is None:
                unsealed += 1
                continue
            header = self.by_number.get(held["segment"])
            fields = json.loads(held["text"])
            fault = self.fault_of_entry(held, fields)
            root = None
            if header is not None and held["path"] is not None:
                path = [bytes.fromhex(one) for one in held["path"]]
                root = root_of_path(bytes.fromhex(held["hash"]), held["position"], header.leaves, path)
            if fault or root is None or header is None or root.hex() != header.root:
                faults.append(f"Holds: entry {held['number']} {fault or 'is not in the segment it names'}.")
                continue
            parts = {one["part"]: one["text"] for one in held["values"]}
            if len(parts) != len(held["values"]) or not parts.keys() <= set(range(1, fields[16] + 1)):
                faults.append(f"Holds: entry {held['number']} has values that were put in later.")
            for part in range(1, fields[16] + 1):
                fault = self.fault_of_value(held, part, parts)
                faults += [f"Holds: part {part} of entry {held['number']} {fault}."] if fault else []
        if self.export.held or faults:
            self.report.judge(
                faults, f"Holds: {counted(len(self.export.held), 'entry')} kept past their time, each proven by itself."
            )
        if unsealed:
            self.report.note(f"Holds: {unsealed} were never sealed, and are proven by nothing.")

    def open_ends(self) -> None:
        """What is not signed."""
        if self.signed < len(self.leaves):
            first = self.export.headers[self.signed]
            self.report.note(
                f"Open end: {counted(len(self.leaves) - self.signed, 'header')} since {moment(first.at)} are not signed; whoever"
                " can write the database could still change them."
            )


# --- one entry ---


def prove_entry(verifier: Verifier, number: int) -> dict[str, Any] | None:
    """All it takes to check one entry without the others; None where it is not sealed and signed."""
    export = verifier.export
    good = [
        one
        for one in export.checkpoints
        if one is not None and not verifier.keys.fault(one) and not verifier.fault_of_root(one)
    ]
    checkpoint = max(good, key=lambda one: one.size, default=None)
    for entry in export.entries:
        if entry["number"] != number or entry["segment"] is None or entry["text"] is None:
            continue
        if checkpoint is None or entry["segment"] > checkpoint.size:
            return None
        others = sorted((one["position"], one["hash"]) for one in export.entries if one["segment"] == entry["segment"])
        path = inclusion_proof(entry["position"], [bytes.fromhex(leaf) for _, leaf in others])
        headers = inclusion_proof(entry["segment"] - 1, verifier.leaves[: checkpoint.size])
        return {
            "type": "proof",
            "format": 1,
            "entry": entry,
            "path": [node.hex() for node in path],
            "header": verifier.by_number[entry["segment"]].text,
            "header_path": [node.hex() for node in headers],
            "checkpoint": checkpoint.data(),
        }
    return None


def check_proof(proof: dict[str, Any], keys: Keys) -> list[str]:
    """What is wrong with a proof of one entry; nothing where it holds."""
    entry, header = proof["entry"], Header.read(proof["header"])
    checkpoint = Checkpoint.read(proof["checkpoint"])
    fault = keys.fault(checkpoint)
    if fault or checkpoint is None:
        return [f"Signature: the checkpoint {fault}."]
    faults: list[str] = []
    alone = Export(headers=[header])
    wrong = Verifier(alone, keys, None).fault_of_entry(entry, json.loads(entry["text"]))
    if wrong:
        faults.append(f"Entry: {entry['number']} {wrong}.")
    leaf = bytes.fromhex(entry["hash"])
    root = root_of_path(leaf, entry["position"], header.leaves, [bytes.fromhex(one) for one in proof["path"]])
    if root is None or root.hex() != header.root or entry["segment"] != header.number:
        faults.append("Segment: the entry is not in the segment of this header.")
    path = [bytes.fromhex(one) for one in proof["header_path"]]
    if root_of_path(header.hash, header.number - 1, checkpoint.size, path) != checkpoint.root:
        faults.append("Checkpoint: the header is not among those that were signed.")
    faults += [
        f"Value: part {one['part']} is not as it was sealed."
        for one in entry["values"]
        if one["text"] is not None and not Verifier.is_value(entry, one["part"], one["text"])
    ]
    return faults


# --- the program ---


def main(arguments: list[str] | None = None) -> int:
    """Read, check, say. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("file", type=Path, help="what `pgerase audit export` wrote, or a proof of one entry")
    parser.add_argument(
        "--public-key", type=Path, action="append", required=True, help="a key to trust, as PEM; may be repeated"
    )
    parser.add_argument("--anchors", type=Path, help="the file with the anchors, from whoever keeps them")
    parser.add_argument(
        "--strict", action="store_true", help="exit code 1 for notes as well: what nobody signed or anchored"
    )
    parser.add_argument("--entry", type=int, help="prove one entry, instead of checking everything")
    parser.add_argument("--proof", type=Path, help="with --entry: write the proof to this file")
    given = parser.parse_args(arguments)
    try:
        keys = Keys(given.public_key)
        with given.file.open("rb") as file:
            first = read_line(given.file, 1, file.readline() or b"null")
        if isinstance(first, dict) and first.get("type") == "proof":
            return tell_proof(first, keys)
        export = Export.read(given.file)
        anchors = None
        if given.anchors is not None:
            anchors = read_anchors(given.anchors)
        verifier = Verifier(export, keys, anchors)
        if given.entry is not None:
            return tell_entry(verifier, given.entry, given.proof)
        print(harmless(f"The log {export.origin}, exported at {export.at}."))
        is_good = verifier.run()
    except OSError as error:
        print(harmless(f"{error.filename} cannot be read: {error.strerror}"), file=sys.stderr)
        return 2
    except UnreadableError as error:
        print(harmless(str(error)), file=sys.stderr)
        return 2
    except (ValueError, KeyError, TypeError, IndexError, RecursionError) as error:
        print(harmless(f"{given.file} is no export of the log: {error}"), file=sys.stderr)
        return 2
    print(f"Result: {verdict(verifier)}.")
    return 0 if is_good and not (given.strict and verifier.report.notes) else 1


def verdict(verifier: Verifier) -> str:
    """What it comes to, after everything was checked."""
    if verifier.report.bad and verifier.report.bad == verifier.strange:
        proven = (
            "not proven throughout: some of the signatures are" if verifier.told else "not proven: the signatures are"
        )
        return f"{proven} of another key than the ones given; nothing else is wrong"
    if verifier.report.bad:
        return f"the log is NOT as it was sealed ({verifier.report.bad})"
    if not verifier.leaves:
        return "nothing is sealed yet: nothing is proven"
    if not verifier.told:
        return "nothing is signed yet: nothing is proven"
    return "the log is as it was sealed"


def read_anchors(path: Path) -> list[tuple[int, Checkpoint | None]]:
    """The lines of an anchor file with their numbers. Raises UnreadableError for what is no text, OSError."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UnreadableError(f"{path} holds no anchors: {error}") from error
    return [(at, read_anchor(line)) for at, line in enumerate(lines, 1) if line.strip()]


def read_anchor(line: str) -> Checkpoint | None:
    """One line of an anchor file; None where it is no checkpoint."""
    try:
        return Checkpoint.read(json.loads(line))
    except ValueError:
        return None


def tell_entry(verifier: Verifier, number: int, path: Path | None) -> int:
    """Prove one entry and say so."""
    proof = prove_entry(verifier, number)
    if proof is None:
        print(f"Entry {number} is not in this export, or not sealed and signed.")
        return 1
    if path is not None:
        path.write_text(json.dumps(proof) + "\n", encoding="utf-8")
    return tell_proof(proof, verifier.keys)


def tell_proof(proof: dict[str, Any], keys: Keys) -> int:
    """Check a proof and say so."""
    faults = check_proof(proof, keys)
    for fault in faults:
        print(harmless(f"WRONG   {fault}"))
    if not faults:
        entry, header = proof["entry"], Header.read(proof["header"])
        checkpoint = Checkpoint.read(proof["checkpoint"])
        assert checkpoint is not None
        leaf = f"Entry {entry['number']} is leaf {entry['position']} of {header.leaves} in segment {header.number}."
        signed = f"that key {checkpoint.key_id} signed at {checkpoint.at}."
        print(harmless(f"ok      {leaf}"))
        print(harmless(f"ok      Header {header.number} is one of {checkpoint.size} {signed}"))
    print("Result: the entry is as it was sealed." if not faults else "Result: this proves nothing.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
