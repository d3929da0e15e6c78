"""Values as PostgreSQL compares them: kinds of column, literals, comparison, relative times.

Knows nothing of rows, rules or people. What PostgreSQL would refuse to compare raises, it is never merely false.
"""

from __future__ import annotations

import calendar
import math
import re
import struct
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import TypeAlias, TypeGuard, cast
from uuid import UUID

from pgerase.catalog.model import Column
from pgerase.errors import PgeraseError
from pgerase.meaning.truth import Truth, and3
from pgerase.rules.conditions import Operator, RelativeTime, Scalar


class Family(Enum):
    """Types that compare with one another."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    UUID = "uuid"
    DATE = "date"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    TIME = "time"
    OTHER = "other"
    """Enums and everything else: equality with the same type only."""


_FAMILIES = {
    "smallint": Family.NUMBER,
    "integer": Family.NUMBER,
    "bigint": Family.NUMBER,
    "oid": Family.NUMBER,
    "numeric": Family.NUMBER,
    "real": Family.NUMBER,
    "double precision": Family.NUMBER,
    "text": Family.TEXT,
    "character varying": Family.TEXT,
    "character": Family.TEXT,
    "bpchar": Family.TEXT,
    "name": Family.TEXT,
    "citext": Family.TEXT,
    "boolean": Family.BOOLEAN,
    "uuid": Family.UUID,
    "date": Family.DATE,
    "timestamp without time zone": Family.TIMESTAMP,
    "timestamp with time zone": Family.TIMESTAMPTZ,
    "time without time zone": Family.TIME,
}
_WHOLE = frozenset({"smallint", "integer", "bigint", "oid"})
_FLOATING = frozenset({"real", "double precision"})
_PADDED = frozenset({"character", "bpchar"})
_BLANK_AGAINST = [{padded, "character varying"} for padded in _PADDED]
"""PostgreSQL compares varchar with char(n) as char(n), unlike text with char(n)."""
_BY_CALENDAR = {Family.DATE, Family.TIMESTAMP}


@dataclass(frozen=True, slots=True)
class Kind:
    """What comparison has to know of a column's (or its elements') type."""

    family: Family
    name: str
    collation_is_c: bool
    deterministic: bool

    @property
    def ignores_case(self) -> bool:
        """citext, wherever it was installed."""
        return self.name == "citext"

    def __str__(self) -> str:
        return self.name


def kind_of(column: Column) -> Kind:
    """The kind of a column's values, of its elements where it is an array."""
    name = column.base_type if column.element_type is None else column.element_type
    if name.endswith(".citext"):
        name = "citext"
    return Kind(_FAMILIES.get(name, Family.OTHER), name, column.collation_is_c, column.collation_deterministic)


@dataclass(frozen=True, slots=True)
class One:
    """A single value; None is null."""

    value: object
    kind: Kind

    @property
    def known(self) -> tuple[object, ...] | None:
        """The values to compare; None is unknown."""
        return None if self.value is None else (self.value,)

    def stand_ins(self, other: Kind) -> frozenset[Hashable]:
        """What `stand_in` makes of the value."""
        return frozenset(() if self.value is None else (stand_in(self.value, self.kind, other),))


@dataclass(frozen=True, slots=True)
class Many:
    """Many values without nulls, in no order; None is a null array (docs/meaning.md, point 3)."""

    values: tuple[object, ...] | None
    kind: Kind
    is_relation: bool = False
    _stand_ins: dict[Kind, frozenset[Hashable]] = field(
        default_factory=dict[Kind, frozenset[Hashable]], init=False, repr=False, compare=False
    )

    @property
    def known(self) -> tuple[object, ...] | None:
        """The values to compare; None is unknown."""
        return self.values

    def stand_ins(self, other: Kind) -> frozenset[Hashable]:
        """What `stand_in` makes of each value; kept, since one relation is compared with many rows."""
        if other not in self._stand_ins:
            self._stand_ins[other] = frozenset(stand_in(value, self.kind, other) for value in self.values or ())
        return self._stand_ins[other]


Found: TypeAlias = One | Many


def column_value(column: Column, value: object) -> Found:
    """A value as psycopg returns it, with its kind. Array elements of every dimension count, nulls among them do not.

    Raises PgeraseError where the value is not of the column's type.
    """
    kind = kind_of(column)
    if column.element_type is None:
        return One(None if value is None else normal(value, kind), kind)
    if value is None:
        return Many(None, kind)
    if not isinstance(value, list | tuple):
        raise PgeraseError(f"column {column.name} is an array, its value is of type {type(value).__name__}")
    return Many(tuple(normal(element, kind) for element in _elements(cast("Iterable[object]", value))), kind)


def _elements(array: Iterable[object]) -> Iterator[object]:
    for element in array:
        if isinstance(element, list | tuple):
            yield from _elements(cast("Iterable[object]", element))
        elif element is not None:
            yield element


def normal(value: object, kind: Kind) -> object:
    """The value in the form that comparison expects: char(n) without trailing blanks, real in single precision.

    Raises PgeraseError where it is no value of that kind.
    """
    fits = False
    match kind.family:
        case Family.NUMBER:
            if kind.name == "real" and isinstance(value, float):
                return _single(value)
            fits = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
        case Family.TEXT:
            if kind.name in _PADDED and isinstance(value, str):
                return value.rstrip(" ")
            fits = isinstance(value, str)
        case Family.BOOLEAN:
            fits = isinstance(value, bool)
        case Family.UUID:
            fits = isinstance(value, UUID)
        case Family.DATE:
            fits = isinstance(value, date) and not isinstance(value, datetime)
        case Family.TIMESTAMP:
            fits = isinstance(value, datetime) and value.tzinfo is None
        case Family.TIMESTAMPTZ:
            fits = isinstance(value, datetime) and value.tzinfo is not None
        case Family.TIME:
            fits = isinstance(value, time)
        case Family.OTHER:
            fits = True
    if not fits:
        raise PgeraseError(f"a value of type {type(value).__name__} where {kind} was expected")
    return value


def _single(value: float) -> float:
    try:
        return struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError as error:
        raise PgeraseError(f"{value!r} is out of range for real") from error


# -- literals ----------------------------------------------------------------------------------------------------------

_DATE = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?"
_DATE_ONLY = re.compile(_DATE)
_WALL_CLOCK = re.compile(rf"{_DATE}(?:[T ]{_CLOCK})?")
_INSTANT = re.compile(rf"{_DATE}(?:[T ]{_CLOCK}(?:Z|[+-]\d{{2}}(?::?\d{{2}})?)?)?")
_TIME_ONLY = re.compile(_CLOCK)
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")


def literal_value(value: Scalar, kind: Kind) -> object:
    """A scalar of the rule file as a value of that kind (docs/meaning.md, point 27).

    Raises PgeraseError where it is none.
    """
    converted: object = None
    try:
        match kind.family:
            case Family.NUMBER:
                converted = _number(value, kind)
            case Family.TEXT | Family.OTHER:
                converted = normal(value, kind) if isinstance(value, str) else None
            case Family.BOOLEAN:
                converted = value if isinstance(value, bool) else None
            case Family.UUID:
                converted = UUID(value) if isinstance(value, str) else None
            case Family.DATE:
                converted = date.fromisoformat(value) if _spelled(value, _DATE_ONLY) else None
            case Family.TIMESTAMP:
                converted = datetime.fromisoformat(value) if _spelled(value, _WALL_CLOCK) else None
            case Family.TIMESTAMPTZ:
                if _spelled(value, _INSTANT):
                    instant = datetime.fromisoformat(value)
                    converted = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
            case Family.TIME:
                converted = time.fromisoformat(value) if _spelled(value, _TIME_ONLY) else None
    except (ValueError, InvalidOperation) as error:
        raise PgeraseError(f"{value!r} is not a value of type {kind}") from error
    if converted is None:
        raise PgeraseError(f"{value!r} is not a value of type {kind}")
    return converted


def _spelled(value: Scalar, pattern: re.Pattern[str]) -> TypeGuard[str]:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _number(value: Scalar, kind: Kind) -> object:
    if isinstance(value, bool):
        return None
    if kind.name in _WHOLE:
        if isinstance(value, str):
            return int(value) if _WHOLE_NUMBER.fullmatch(value) else None
        return value if isinstance(value, int) else None
    if kind.name == "numeric":
        return Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return normal(float(value), kind)


# -- relative times ----------------------------------------------------------------------------------------------------


def relative_value(relative: RelativeTime, now: datetime, kind: Kind) -> object:
    """The time meant by `ago` or `ahead`, for a column of that kind (docs/meaning.md, point 25).

    Raises PgeraseError for columns that hold no time, and where the calendar ends.
    """
    span, sign = relative.span, relative.sign
    wall_clock = now.astimezone(UTC).replace(tzinfo=None)
    try:
        moved = _plus_months(wall_clock, sign * span.months)
        moved += timedelta(days=sign * span.days)
        moved += timedelta(seconds=sign * span.seconds)
    except (OverflowError, ValueError) as error:
        raise PgeraseError("a relative time beyond the calendar") from error
    match kind.family:
        case Family.TIMESTAMPTZ:
            return moved.replace(tzinfo=UTC)
        case Family.TIMESTAMP:
            return moved
        case Family.DATE:
            return moved.date()
        case _:
            raise PgeraseError(f"a relative time cannot be compared with {kind}")


def _plus_months(moment: datetime, months: int) -> datetime:
    """The same day of another month, or that month's last where it is shorter."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    last_day = calendar.monthrange(year, month + 1)[1]
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last_day))


# -- comparison --------------------------------------------------------------------------------------------------------


def compare(operator: Operator, left: Found, right: Found) -> Truth:
    """`left operator right` for every operator but `between`, `is_null`, `is_set` (docs/meaning.md, points 1 to 4).

    Null on either side is unknown. Of many values, on either side, `ne` and `not_in` mean no pair, the others any pair.
    Raises PgeraseError where PostgreSQL has no such comparison, or DESIGN.md refuses it.
    """
    lefts, rights = left.known, right.known
    if lefts is None or rights is None:
        return None

    def any_equal() -> bool:
        return not left.stand_ins(right.kind).isdisjoint(right.stand_ins(left.kind))

    match operator:
        case Operator.EQ | Operator.IN | Operator.OVERLAPS:
            return any_equal()
        case Operator.NE | Operator.NOT_IN:
            return not any_equal()
        case Operator.CONTAINS if isinstance(left, Many):
            return any_equal()
        case Operator.CONTAINS:
            return any(b in a for a, b in _text_pairs(lefts, left.kind, rights, right.kind))
        case Operator.STARTS_WITH:
            return any(a.startswith(b) for a, b in _text_pairs(lefts, left.kind, rights, right.kind))
        case Operator.ENDS_WITH:
            return any(a.endswith(b) for a, b in _text_pairs(lefts, left.kind, rights, right.kind))
        case Operator.LT | Operator.LE | Operator.GT | Operator.GE:
            return any(_ordered(operator, a, left.kind, b, right.kind) for a in lefts for b in rights)
        case Operator.BETWEEN | Operator.IS_NULL | Operator.IS_SET:
            raise PgeraseError(f"{operator} does not compare two values")


def between(left: Found, low: Found, high: Found) -> Truth:
    """`ge` the one and `le` the other, as SQL's BETWEEN, for any of many tested values (docs/meaning.md, point 26).

    Raises PgeraseError where an end has many values, or cannot be compared.
    """
    if isinstance(low, Many) or isinstance(high, Many):
        raise PgeraseError("between needs one low and one high value")
    if isinstance(left, One):
        return and3((compare(Operator.GE, left, low), compare(Operator.LE, left, high)))
    if left.values is None or low.value is None or high.value is None:
        return None
    return any(between(One(value, left.kind), low, high) is True for value in left.values)


def same(left: object, left_kind: Kind, right: object, right_kind: Kind) -> bool:
    """Whether two values, neither null, are equal. Raises PgeraseError where they cannot be compared."""
    return stand_in(left, left_kind, right_kind) == stand_in(right, right_kind, left_kind)


def stand_in(value: object, kind: Kind, other: Kind) -> Hashable:
    """What stands for `value` when it is compared with values of the other kind: equal where PostgreSQL calls them equal.

    Raises PgeraseError where the two kinds have no equality, or none that DESIGN.md allows.
    """
    for each in (kind, other):
        if each.family is Family.TEXT and not each.deterministic:
            raise PgeraseError("eq and in need a deterministic collation")
    aligned, _ = _aligned(value, kind, None, other)
    if _is_nan(aligned):
        return "NaN"  # PostgreSQL's equals itself
    if not isinstance(aligned, Hashable):
        raise PgeraseError(f"values of type {kind} have no equality here")
    return aligned


def _ordered(operator: Operator, left: object, left_kind: Kind, right: object, right_kind: Kind) -> bool:
    for kind in (left_kind, right_kind):
        if kind.family is Family.OTHER:
            raise PgeraseError(f"values of type {kind} have no order here")
        if kind.family is Family.TEXT and not kind.collation_is_c:
            raise PgeraseError("lt, le, gt, ge and between on text need collation C")
    a, b = (_sortable(value) for value in _aligned(left, left_kind, right, right_kind))
    if operator is Operator.LT:
        return a < b
    if operator is Operator.LE:
        return a <= b
    if operator is Operator.GT:
        return a > b
    return a >= b


def _sortable(value: object) -> tuple[bool, object]:
    """NaN above all numbers, as in PostgreSQL. Text as it is: Python orders it by code point, as collation C does."""
    return (True, 0) if _is_nan(value) else (False, value)


def _text_pairs(
    lefts: tuple[object, ...], left_kind: Kind, rights: tuple[object, ...], right_kind: Kind
) -> Iterator[tuple[str, str]]:
    """Every pair of texts, case as stored even in citext (point 4)."""
    if left_kind.family is not Family.TEXT or right_kind.family is not Family.TEXT:
        raise PgeraseError(f"{left_kind} and {right_kind} are not both text")
    for a in lefts:
        for b in rights:
            yield cast("str", a), cast("str", b)


def _aligned(left: object, left_kind: Kind, right: object, right_kind: Kind) -> tuple[object, object]:
    """Both values in the type PostgreSQL would compare them in; a None stays None."""
    family, names = left_kind.family, (left_kind.name, right_kind.name)
    if family is not right_kind.family:
        if {family, right_kind.family} == _BY_CALENDAR:
            return _as_midnight(left), _as_midnight(right)
    elif family is Family.NUMBER:
        floating = names[0] in _FLOATING or names[1] in _FLOATING
        return (_as_float(left), _as_float(right)) if floating else (left, right)
    elif names[0] == names[1]:
        return (_folded(left), _folded(right)) if left_kind.ignores_case else (left, right)
    elif family is Family.TEXT:
        return (_unpadded(left), _unpadded(right)) if set(names) in _BLANK_AGAINST else (left, right)
    elif family is not Family.OTHER:
        return left, right
    raise PgeraseError(f"{left_kind} and {right_kind} cannot be compared")


def _as_float(value: object) -> object:
    return None if value is None else float(cast("int | float | Decimal", value))


def _folded(value: object) -> object:
    return None if value is None else cast("str", value).lower()


def _unpadded(value: object) -> object:
    return None if value is None else cast("str", value).rstrip(" ")


def _as_midnight(value: object) -> object:
    return value if value is None or isinstance(value, datetime) else datetime.combine(cast("date", value), time())


def _is_nan(value: object) -> bool:
    return isinstance(value, (float, Decimal)) and math.isnan(value)
