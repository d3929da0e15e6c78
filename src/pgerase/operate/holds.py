"""Legal holds: whose entries stay past their time, and who is not erased, until somebody releases them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from pgerase.counts import counted
from pgerase.errors import Refused, UsageError
from pgerase.operate.log import Log
from pgerase.operate.model import State
from pgerase.operate.people import status
from pgerase.operate.register import Register


@dataclass(frozen=True, slots=True)
class OwnRow:
    """The table of a kind of person, and the columns of its key in order: entries about the row are the person's too."""

    relation: str
    columns: tuple[str, ...]

    def key(self, person: str) -> Mapping[str, str]:
        """The key by column. Raises UsageError where it has another number of columns."""
        values = [person] if len(self.columns) == 1 else _several(person)
        if len(values) != len(self.columns):
            raise UsageError(f"a key of {self.relation} has {counted(len(self.columns), 'column')}")
        return dict(zip(self.columns, values, strict=True))


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold that lasts."""

    number: int
    subject: str
    person: str
    reference: str
    placed_at: datetime


def place_holds(
    register: Register,
    subject: str,
    keys: Sequence[str],
    *,
    reference: str,
    own_row: OwnRow | None = None,
    missing_too: bool = False,
) -> tuple[Hold, ...]:
    """Place a hold on each of these people, or on nobody; with one reference a person is held once.

    `missing_too` accepts keys that belong to nobody, whose entries are there still. Raises UsageError for an unknown subject, or a
    reference that is none; Refused for keys that belong to nobody; DatabaseFailed.
    """
    log = Log(register.database, register.names.prefix)
    with register.answering(), register.database.transaction(isolation="read committed"):
        people = status(register, subject, keys)
        missing = [one.key for one in people if one.state is State.MISSING]
        if missing and not missing_too:
            raise Refused(
                f"{len(missing)} of these keys {'belongs' if len(missing) == 1 else 'belong'} to nobody, and no hold was placed",
                hint="`pgerase subject status` shows which; --allow-missing holds entries of people whose row is gone",
            )
        for one in people:
            row = (None, None) if own_row is None else (own_row.relation, json.dumps(own_row.key(one.key)))
            log.call("place_hold", subject, one.key, *row, reference)
        return tuple(hold for hold in list_holds(log) if hold.subject == subject and hold.person in set(keys))


def release_holds(log: Log, subject: str, keys: Sequence[str], *, reference: str = "") -> int:
    """Release the holds on these people, all or those with a reference; how many. Raises DatabaseFailed."""
    with log.answering(), log.database.transaction(isolation="read committed"):
        return sum(
            log.call("release_holds", subject, key, reference or None)[0]["release_holds"] for key in sorted(set(keys))
        )


def list_holds(log: Log) -> tuple[Hold, ...]:
    """The holds on people that last, the oldest first. Raises DatabaseFailed."""
    return tuple(
        Hold(row["hold_id"], row["subject"], row["person"], row["reference"], row["placed_at"])
        for row in log.rows("log_holds")
    )


def _several(person: str) -> list[str]:
    """A composite key is the text of a JSON array."""
    try:
        values: object = json.loads(person)
    except json.JSONDecodeError:
        return []
    return [str(value) for value in cast(list[object], values)] if isinstance(values, list) else []
