"""Why a decision is what it is: a tree of reasons, each with its truth and how that follows from its parts. Values only.

A reason names people and rows by their keys; other values are in it only where somebody asked for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict, Unpack

from pgerase.errors import Position
from pgerase.meaning.truth import Truth, and3, not3, or3
from pgerase.rules.conditions import Action


class Join(StrEnum):
    """How a reason's truth follows from its parts. Those of `fact` are details, on which nothing depends."""

    FACT = "fact"
    ALL = "all"
    ANY = "any"
    NOT = "not"
    EVERY = "every"
    """All parts are known to be true; else false, never unknown."""
    SOME = "some"
    """Some part is known to be true; else false, never unknown."""
    CHOICE = "choice"
    """Parts are a condition, what counts where it is true, and the rest: both where it is unknown. What does not count is left out."""
    THROUGH = "through"
    """The first part is where a lookup leads: without it unknown, else as the second part."""


class Kind(StrEnum):
    """What a reason is about. docs/explain.md says what its fields hold."""

    ANSWER = "answer"
    VIEWER = "viewer"
    ROW = "row"
    DECISION = "decision"
    REQUIREMENT = "requirement"
    EXEMPT = "exempt"
    INHERITED = "inherited"
    GRANT = "grant"
    SUPER_ADMIN = "super_admin"
    UNION = "union"
    COMBINE = "combine"
    EXPRESSION = "expression"
    OWN = "own"
    EVERYONE = "everyone"
    RULE = "rule"
    ACTION = "action"
    ROLE = "role"
    PEOPLE = "people"
    PERSON = "person"
    WHO = "who"
    ROWS = "rows"
    PARENT = "parent"
    LOOKUP = "lookup"
    RELATION = "relation"
    ALL = "all"
    ANY = "any"
    NOT = "not"
    TEST = "test"
    GROUP = "group"
    CRITERIA = "criteria"
    LISTED = "listed"
    ACTIVE = "active"
    ERASED = "erased"
    CAN = "can"
    SUPPORT = "support"
    SUPPORT_GRANT = "support_grant"


@dataclass(frozen=True, slots=True, eq=False)
class Reason:
    """One reason. Two are the same only if they are one object: what is asked for twice is explained once."""

    kind: Kind
    truth: Truth
    join: Join = Join.FACT
    name: str = ""
    """As the rule file names it: a rule, requirement, group, resource, attribute."""
    says: str = ""
    """In words."""
    at: Position | None = None
    action: Action | None = None
    key: str = ""
    """Of the person or row it is about."""
    chain: tuple[str, ...] = ()
    """Of a person: the keys of the managers above, nearest first, up to the viewer."""
    count: tuple[int, int] | None = None
    """Of people: for how many `who` holds, and how many were asked."""
    values: tuple[str, ...] = ()
    """What was compared, where values were asked for."""
    parts: tuple[Reason, ...] = ()


class Fields(TypedDict, total=False):
    """What else a reason may say."""

    name: str
    says: str
    at: Position | None
    action: Action | None
    key: str
    chain: tuple[str, ...]
    count: tuple[int, int] | None


def every(kind: Kind, parts: tuple[Reason, ...], **fields: Unpack[Fields]) -> Reason:
    """True where every part is."""
    return Reason(kind, all(part.truth is True for part in parts), Join.EVERY, parts=parts, **fields)


def some(kind: Kind, parts: tuple[Reason, ...], **fields: Unpack[Fields]) -> Reason:
    """True where some part is."""
    return Reason(kind, any(part.truth is True for part in parts), Join.SOME, parts=parts, **fields)


def walk(reason: Reason) -> Iterator[Reason]:
    """The reason and everything below it, each once."""
    seen: set[int] = set()
    waiting = [reason]
    while waiting:
        here = waiting.pop()
        if id(here) not in seen:
            seen.add(id(here))
            yield here
            waiting += reversed(here.parts)


def follows(reason: Reason) -> bool:
    """Whether the reason's truth follows from those of its parts."""
    truths = [part.truth for part in reason.parts]
    match reason.join:
        case Join.FACT:
            return True
        case Join.ALL:
            expected = and3(truths)
        case Join.ANY:
            expected = or3(truths)
        case Join.NOT:
            expected = not3(truths[0])
        case Join.EVERY:
            expected = all(truth is True for truth in truths)
        case Join.SOME:
            expected = any(truth is True for truth in truths)
        case Join.CHOICE:
            expected = len(truths) == (3 if truths[0] is None else 2) and all(truth is True for truth in truths[1:])
        case Join.THROUGH:
            expected = truths[1] if truths[0] is True else None
    return reason.truth is expected


_WEIGHTS = {Kind.WHO: 4, Kind.ROLE: 40, Kind.VIEWER: 40, Kind.ACTION: 2, Kind.SUPER_ADMIN: 60}
"""What somebody is changes less often than what a row holds, and what a rule gives least of all."""


class Distances:
    """How far reasons are from a truth: roughly, how many facts would have to be different. Zero where they have it."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bool], tuple[Reason, int]] = {}

    def of(self, reason: Reason, wanted: bool = True) -> int:
        """The distance of a reason from being known to be `wanted`."""
        memo = (id(reason), wanted)
        if memo not in self._known:
            # The reason is kept too, so that its id stays its own.
            self._known[memo] = (reason, self._measure(reason, wanted))
        return self._known[memo][1]

    def _measure(self, reason: Reason, wanted: bool) -> int:
        if reason.truth is wanted:
            return 0
        weight = _WEIGHTS.get(reason.kind, 1)
        parts = reason.parts
        match reason.join:
            case Join.NOT:
                found = [self.of(parts[0], not wanted)]
                return weight * found[0]
            case Join.CHOICE:
                parts = parts[1:]
            case Join.THROUGH if len(parts) < 2:
                return weight
            case _:
                pass
        conjunctive = reason.join in (Join.ALL, Join.EVERY, Join.CHOICE, Join.THROUGH)
        if reason.join is Join.FACT or not parts:
            return weight
        found = [self.of(part, wanted) for part in parts]
        return weight * max(1, sum(found) if conjunctive is wanted else min(found))
