"""What comparing two sets of rules comes to, as frozen values. No rows and no keys: names of resources, and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from pgerase.rules.conditions import Action


class Basis(StrEnum):
    """How an answer is known. UNCHANGED and RULES are theorems too, for which no solver is needed."""

    UNCHANGED = "unchanged"
    """Both sets of rules come to the same formula."""
    RULES = "rules"
    """One formula has more alternatives, or fewer demands, than the other; or a table is governed that was not."""
    SOLVER = "solver"
    """No state of the database lets one formula hold without the other."""
    SEEN = "seen"
    """A viewer and a row of the database for whom the answers differ."""
    OPEN = "open"
    """Not known."""


@dataclass(frozen=True, slots=True)
class Side:
    """Whether anyone gains, or whether anyone loses. `answer` None: unknown; `why` then says what stood in the way.

    `seen` counts pairs of viewer and row for whom it was seen, `looked` those that were looked at.
    """

    answer: bool | None
    basis: Basis
    why: str = ""
    seen: int = 0
    looked: int = 0


class Verdict(StrEnum):
    """Both sides in a word. "At most" and "at least": one side is unknown."""

    SAME = "same"
    WIDENS = "widens"
    NARROWS = "narrows"
    BOTH = "widens and narrows"
    AT_MOST_WIDENS = "at most widens"
    AT_MOST_NARROWS = "at most narrows"
    AT_LEAST_WIDENS = "at least widens"
    AT_LEAST_NARROWS = "at least narrows"
    UNKNOWN = "unknown"


_WORDS: Mapping[tuple[bool | None, bool | None], Verdict] = {
    (False, False): Verdict.SAME,
    (True, False): Verdict.WIDENS,
    (False, True): Verdict.NARROWS,
    (True, True): Verdict.BOTH,
    (None, False): Verdict.AT_MOST_WIDENS,
    (False, None): Verdict.AT_MOST_NARROWS,
    (True, None): Verdict.AT_LEAST_WIDENS,
    (None, True): Verdict.AT_LEAST_NARROWS,
    (None, None): Verdict.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One action on the rows of one table; with a `column`, on that column of rows, whatever may be done with these."""

    table: str
    action: Action
    gains: Side
    losses: Side
    column: str = ""

    @property
    def what(self) -> str:
        """The table, or the column with its table."""
        return f"{self.table}.{self.column}" if self.column else self.table

    @property
    def verdict(self) -> Verdict:
        """Both sides in a word."""
        return _WORDS[self.gains.answer, self.losses.answer]


def compared_data(one: Compared) -> dict[str, Any]:
    """A comparison for JSON output."""
    return {
        "table": one.table,
        "column": one.column,
        "action": one.action.value,
        "verdict": one.verdict.value,
        "gains": asdict(one.gains),
        "losses": asdict(one.losses),
    }


def read_compared(data: Mapping[str, Any]) -> Compared:
    """A comparison from JSON. Raises KeyError, TypeError and ValueError where it is none."""
    return Compared(data["table"], Action(data["action"]), _side(data["gains"]), _side(data["losses"]), data["column"])


def _side(data: Mapping[str, Any]) -> Side:
    return Side(data["answer"], Basis(data["basis"]), data["why"], data["seen"], data["looked"])
