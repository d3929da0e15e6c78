"""Conditions, the language shared by `who`, `rows`, `criteria`, `where`, `when`: a small frozen tree.

The reader has already expanded `{use: …}`, lettered `terms`/`logic` and the short forms (`a: 1`, `a: [1, 2]`), so nothing
below has to know how a condition was spelled. What the nodes mean is in docs/meaning.md; the truth values are SQL's three.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from pgerase.errors import Position
from pgerase.rules.names import Path


class Action(StrEnum):
    """What a viewer may do to a row. `write` in a file is all four and never reaches this type."""

    READ = "read"
    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"


class Operator(StrEnum):
    """The operators of DESIGN.md, "Conditions"."""

    EQ = "eq"
    NE = "ne"
    IN = "in"
    NOT_IN = "not_in"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"
    BETWEEN = "between"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    IS_NULL = "is_null"
    IS_SET = "is_set"
    OVERLAPS = "overlaps"


Scalar: TypeAlias = str | int | float | bool
"""A YAML 1.2 scalar. Dates and times stay strings; the column's type decides what they are."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A value written in the file; checked against the column's type when bound. Null is never a literal."""

    value: Scalar
    at: Position


@dataclass(frozen=True, slots=True)
class LiteralList:
    """A list written in the file, without nulls; may be empty (a known empty set)."""

    items: tuple[Literal, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class ViewerRef:
    """`{viewer: attribute}`, with `where` narrowing a relation at the place of use. `key` is the viewer's key."""

    attribute: str
    where: Condition | None
    at: Position


@dataclass(frozen=True, slots=True)
class RowRef:
    """`{row: path}`: another attribute of the resource's row."""

    path: Path
    at: Position


@dataclass(frozen=True, slots=True)
class Span:
    """A length of time as written, in calendar months and days and in seconds, for PostgreSQL's interval arithmetic."""

    months: int
    days: int
    seconds: int


@dataclass(frozen=True, slots=True)
class RelativeTime:
    """`{ago: …}` (sign -1) or `{ahead: …}` (sign +1): statement time, UTC, calendar months."""

    span: Span
    sign: int
    at: Position


@dataclass(frozen=True, slots=True)
class Range:
    """The two ends of `between`, both included."""

    low: Operand
    high: Operand
    at: Position


@dataclass(frozen=True, slots=True)
class SubjectRef:
    """`{subject: key}` in data maps: the people of the request."""

    at: Position


Operand: TypeAlias = Literal | LiteralList | ViewerRef | RowRef | RelativeTime | Range | SubjectRef


@dataclass(frozen=True, slots=True)
class All:
    """Every term holds. No terms: true."""

    terms: tuple[Condition, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one term holds. No terms: false."""

    terms: tuple[Condition, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Not:
    """Three-valued negation."""

    term: Condition
    at: Position


@dataclass(frozen=True, slots=True)
class Test:
    """`path: {operator: operand}`. The operand is None for `is_null` and `is_set`; `is_null: false` arrives as IS_SET."""

    path: Path
    operator: Operator
    operand: Operand | None
    at: Position

    __test__ = False  # not a test case, whatever pytest makes of the name


@dataclass(frozen=True, slots=True)
class InGroup:
    """`group: name | [names]` in a `who`: member of any of them. Two-valued."""

    names: tuple[str, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class IsRole:
    """`role: name | [names]` in a `who`: no person at all; the session's current_user is exactly one of these."""

    names: tuple[str, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class Can:
    """`lookup: {can: action}`: the viewer may finally do that to the row the lookup points to."""

    path: Path
    action: Action
    at: Position


@dataclass(frozen=True, slots=True)
class HasConsent:
    """`{consent: purpose}`: grammar only; compiled by a later release."""

    purpose: str
    at: Position


Condition: TypeAlias = All | AnyOf | Not | Test | InGroup | IsRole | Can | HasConsent


def walk(condition: Condition) -> Iterator[Condition]:
    """A condition and every condition below it, those inside operands (`where`) included."""
    yield condition
    match condition:
        case All(terms) | AnyOf(terms):
            for term in terms:
                yield from walk(term)
        case Not(term):
            yield from walk(term)
        case Test(operand=operand) if operand is not None:
            for part in walk_operand(operand):
                if isinstance(part, ViewerRef) and part.where is not None:
                    yield from walk(part.where)
        case _:
            pass


def walk_operand(operand: Operand) -> Iterator[Operand]:
    """An operand, and the ends of a range."""
    yield operand
    if isinstance(operand, Range):
        yield from walk_operand(operand.low)
        yield from walk_operand(operand.high)


def operands(condition: Condition) -> Iterator[Operand]:
    """Every operand anywhere in a condition."""
    for part in walk(condition):
        if isinstance(part, Test) and part.operand is not None:
            yield from walk_operand(part.operand)
