"""Reads the log as it grows: every entry once, however late it was committed, and whatever partitions go meanwhile.

Numbers are drawn while transactions run, so an entry may appear behind others that have greater ones. Which are new is therefore
told by snapshots: those whose transaction had not ended in the snapshot of the last look. The numbers bound where to look.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import deque
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from pgerase.database import Row
from pgerase.errors import UsageError
from pgerase.operate.model import State
from pgerase.operate.people import status
from pgerase.operate.register import Register

WINDOW = 1_000_000
"""How many numbers before the beginning an entry may have that was being written when tailing began."""
SUPPORT = "support"
"""What entries about support access have for a table."""
ACTIONS = (
    *("insert", "update", "delete", "truncate"),
    *("open", "break_glass", "approve", "read", "close", "expire", "review", "review_overdue"),
)
"""What an entry may say was done: to rows, and about support access."""
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,6})?", re.ASCII)
_WHOLE, _FRACTION = 131_072, 16_383
"""How many digits PostgreSQL's numeric has before and after the point."""
_SLACK = 1_000
"""A number may be drawn shortly before its transaction gets one of its own."""
_PAGE = 1_000
_SLICE = 10_000
_WIDEST_SLICE = 320_000
_EVERYTHING = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody's part of an entry, values as in `Entry`. Without values, `key` is None and the columns have none."""

    subject: str
    key: str | None
    old: Mapping[str, str | None] | None
    new: Mapping[str, str | None] | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log. Counts of people's parts of it: `others` of whom nobody asked, `erased`, and `missing` without a record of erasing.

    Values of `key`, `old` and `new` are JSON text, as the log has them to the last digit.
    """

    number: int
    at: datetime
    transaction: str
    relation: str
    action: str
    actor: str | None
    login: str
    role: str | None
    request: str | None
    purpose: str | None
    grant: int | None
    key: Mapping[str, str] | None
    old: Mapping[str, str] | None
    new: Mapping[str, str] | None
    people: tuple[Person, ...]
    others: int
    erased: int
    missing: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: all that is None is any. `table` with or without its schema; `key` by column, as text; numbers by what they are worth.

    `person`: entries that have something of this person's, and of what is somebody's that alone. `values`: with its values.
    """

    table: str | None = None
    actor: str | None = None
    actions: tuple[str, ...] | None = None
    person: tuple[str, str] | None = None
    since: datetime | None = None
    key: Mapping[str, str] | None = None
    values: bool = False


def assert_known(register: Register, wanted: Wanted) -> None:
    """Whether what is asked for can be in the log at all; for whom found nothing, so as not to take a slip for an answer.

    Raises UsageError for a table that is not captured, columns that are not its key, and an unknown subject; DatabaseFailed.
    """
    if wanted.table is not None:
        captured = {row["relation"]: row["key"] for row in register.rows("log_relations")}
        known = {*captured, SUPPORT}
        named = [name for name in known if name == wanted.table or name.endswith(f".{wanted.table}")]
        if not named:
            near = None if register.rows("log_table", name=wanted.table) else _nearest(wanted.table, known)
            hint = f"Did you mean {near}?" if near else f"Captured are: {', '.join(sorted(captured)) or 'none'}."
            raise UsageError(f"{wanted.table} is not captured, and nothing of it in the log is like this", hint=hint)
        for column in wanted.key or ():
            if all(name in captured and column not in captured[name] for name in named):
                keys = " or ".join(", ".join(captured[name]) for name in named)
                raise UsageError(f"{column} is no column of the key of {named[0]}", hint=f"The key is {keys}.")
    if wanted.person is not None:
        with register.answering():
            status(register, wanted.person[0], [])


def why_nothing(register: Register, wanted: Wanted) -> str:
    """Why no entry was found of what `assert_known` passes, as far as that can be told. Raises UsageError, DatabaseFailed."""
    if register.rows("log_numbers")[0]["first"] is None:
        return "the log is empty; `audit coverage` says what is captured"
    if wanted.since is not None and wanted.since > register.now:
        return f"--since lies in the future: {wanted.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if wanted.person is not None:
        (person,) = status(register, wanted.person[0], [wanted.person[1]])
        if person.state is State.ERASED:
            return "the person is erased, and so is what the log had of them"
        if person.state is State.MISSING:
            return "nobody has this key, and no entry of the log is like this"
    if wanted.key is not None:
        return "no entry of the log is of a row with this key; values are taken as they are, and numbers by what they are worth"
    return "no entry of the log is like this; names are taken as they are, and `audit coverage` says what is captured"


def _nearest(table: str, known: Iterable[str]) -> str | None:
    """The table that was meant, where one is spelt nearly so: a schema in common is no likeness."""
    schema, _, name = table.rpartition(".")
    by_name = {
        one.rpartition(".")[2]: one for one in sorted(known, key=lambda one: (one.startswith(f"{schema}."), one))
    }
    return next((by_name[near] for near in difflib.get_close_matches(name, by_name, n=1)), None)


class Tail:
    """Looks at the log again and again. Raises DatabaseFailed."""

    def __init__(self, register: Register, wanted: Wanted) -> None:
        self._register = register
        self._wanted = wanted
        self._known = self._drawn = self._numbers()[0]
        # In this order: what is not drawn yet is drawn by a transaction that has no number yet either.
        self._mark = register.rows("log_mark")[0]
        self._first = self._before = self._snapshot()
        self._floor = max(self._known - WINDOW, 0)
        self._marks = deque([(self._mark["mark"], self._known)])
        self._advance()

    def last(self, count: int) -> tuple[Entry, ...]:
        """The last so many entries that could be seen when tailing began, the first first. Raises DatabaseFailed."""
        upto, first = self._numbers()
        found: list[Entry] = []
        width = _SLICE
        while len(found) < count and first is not None and upto >= first:
            rows = self._rows(after=upto - width, upto=upto, limit=width, seen=self._first)
            entries = [_entry(row) for row in rows]
            found = [*entries, *found]
            upto -= width
            width = _SLICE if entries else min(width * 2, _WIDEST_SLICE)
        return tuple(found[-count:]) if count else ()

    def new(self) -> Generator[Entry]:
        """What has been committed since the last look, in the order of numbers. Raises DatabaseFailed.

        To be read to its end: what was shown in part is shown again.
        """
        self._remember()
        now = self._snapshot()
        after = max(self._floor - _SLACK, 0)
        # Each page is a statement of its own: whoever prints slowly keeps no transaction open, and nobody from dropping partitions.
        while rows := self._rows(after=after, upto=_EVERYTHING, limit=_PAGE, seen=now, unseen=self._before):
            yield from map(_entry, rows)
            after = rows[-1]["entry_id"]
        self._before = now
        self._advance()

    def _remember(self) -> None:
        """Note what is drawn by now, and a number that all transactions have that begin to draw from now on."""
        known = self._numbers()[0]
        # Where nothing is written, no numbers of transactions are used up.
        if known != self._drawn:
            self._drawn = known
            self._marks.append((self._register.rows("log_mark")[0]["mark"], known))

    def _advance(self) -> None:
        """Look no further back than to what transactions could have drawn that had not ended in the last snapshot."""
        while self._marks:
            mark, known = self._marks[0]
            if mark is None:
                self._floor = max(self._floor, known - WINDOW)
            elif mark <= self._before["oldest"]:
                self._floor = known
            else:
                return
            self._marks.popleft()

    def _numbers(self) -> tuple[int, int | None]:
        row = self._register.rows("log_numbers")[0]
        return row["last"], row["first"]

    def _snapshot(self) -> Row:
        return self._register.rows("log_snapshot")[0]

    def _rows(self, *, after: int, upto: int, limit: int, seen: Row, unseen: Row | None = None) -> list[Row]:
        wanted = self._wanted
        return self._register.rows(
            "log_entries",
            after=after,
            upto=upto,
            limit=limit,
            seen=seen["snapshot"],
            unseen=None if unseen is None else unseen["snapshot"],
            known=self._known,
            mark=None if self._mark["mark"] is None else str(self._mark["mark"]),
            began=self._mark["now"],
            since=wanted.since,
            relation=wanted.table,
            actor=wanted.actor,
            actions=None if wanted.actions is None else list(wanted.actions),
            subject=None if wanted.person is None else wanted.person[0],
            person=None if wanted.person is None else wanted.person[1],
            key=None if wanted.key is None else json.dumps(wanted.key),
            numbers=_numbers(wanted.key or {}),
            values=wanted.values,
        )


def _numbers(key: Mapping[str, str]) -> str:
    """Of a key the values that are numbers, as JSON: what is beyond numeric is nobody's key."""
    found = {column: Decimal(text) for column, text in key.items() if _NUMBER.fullmatch(text)}
    said = [f"{json.dumps(column)}: {number:f}" for column, number in found.items() if _is_numeric(number)]
    return f"{{{', '.join(said)}}}"


def _is_numeric(number: Decimal) -> bool:
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_FRACTION and number.adjusted() < _WHOLE


def _entry(row: Row) -> Entry:
    people = tuple(Person(one["subject"], one["person"], one["old"], one["new"]) for one in row["people"])
    return Entry(
        number=row["entry_id"],
        at=row["at"],
        transaction=row["xact"],
        relation=row["relation"],
        action=row["action"],
        actor=row["actor"],
        login=row["login"],
        role=row["role"],
        request=row["request"],
        purpose=row["purpose"],
        grant=row["grant_id"],
        key=row["key"],
        old=row["old"],
        new=row["new"],
        people=people,
        others=row["others"],
        erased=row["erased"],
        missing=row["missing"],
    )
