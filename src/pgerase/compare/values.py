"""Values as terms: what stands for a column's or literal's value, and which atom compares two, as `pgerase.meaning.values` does."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from pgerase.compare.formula import Argument, Changed, Constant, Field, Formula, Formulas, Moment, Place, Term
from pgerase.errors import PgeraseError
from pgerase.meaning.values import Family, Kind, literal_value
from pgerase.rules.access import RelationAttribute
from pgerase.rules.conditions import Condition, Operator, RelativeTime, Scalar

_WHOLE = frozenset({"smallint", "integer", "bigint", "oid"})
_FLOATING = frozenset({"real", "double precision"})
_PADDED = frozenset({"character", "bpchar"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEARCHED = {Operator.CONTAINS: "contains", Operator.STARTS_WITH: "starts", Operator.ENDS_WITH: "ends"}
EQUALS = frozenset({Operator.EQ, Operator.IN, Operator.OVERLAPS, Operator.NE, Operator.NOT_IN})


class NotComparable(PgeraseError):
    """Something that has no formula; nothing is known of rules that say it."""


@dataclass(frozen=True, slots=True)
class Single:
    """One value: `there`: the row it stands in is found; `known`: that, and it is no null."""

    term: Term
    kind: Kind
    there: Formula
    known: Formula


@dataclass(frozen=True, slots=True)
class Listed:
    """A list written in the file."""

    items: tuple[Term, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Array:
    """A column that is an array."""

    term: Field
    kind: Kind
    there: Formula
    known: Formula


@dataclass(frozen=True, slots=True)
class Related:
    """A person's values of a relation, narrowed by a `where` that may speak of `row`."""

    relation: RelationAttribute
    person: Place
    narrowed: Condition | None
    row: Place | None
    kind: Kind


Value = Single | Listed | Array | Related


def sort_of(kind: Kind, enums: Collection[str]) -> str:
    """What stands for values of that kind; equal values have equal ones, and their order is theirs."""
    match kind.family:
        case Family.NUMBER:
            return "whole" if kind.name in _WHOLE else "number"
        case Family.OTHER:
            return f"{'enum' if kind.name in enums else 'other'} {kind.name}"
        case family:
            return family.value


def constant(value: Scalar, kind: Kind, enums: Collection[str]) -> Constant:
    """A literal. Raises PgeraseError where it is no value of that kind, NotComparable where nothing stands for it."""
    return Constant(_number(literal_value(value, kind)), sort_of(kind, enums))


def _number(value: object) -> object:
    match value:
        case bool():
            return int(value)
        case int() | str():
            return value
        case Decimal() | float():
            try:
                return Fraction(value)
            except (ValueError, OverflowError) as error:
                raise NotComparable("a number that is none") from error
        case UUID():
            return value.int
        case datetime():
            return _microseconds(value if value.tzinfo is not None else value.replace(tzinfo=UTC))
        case date():
            return value.toordinal()
        case time() if value.tzinfo is None:
            return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
        case _:
            raise NotComparable(f"nothing stands for a value of type {type(value).__name__}")


def _microseconds(moment: datetime) -> int:
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def moment(relative: RelativeTime, kind: Kind) -> Moment:
    """A relative time, compared with a column of that kind. Raises PgeraseError for one that holds no time."""
    if kind.family not in (Family.DATE, Family.TIMESTAMP, Family.TIMESTAMPTZ):
        raise PgeraseError(f"a relative time cannot be compared with {kind}")
    span, sign = relative.span, relative.sign
    return Moment(sign * span.months, sign * span.days, sign * span.seconds, kind.family.value)


def aligned(term: Term, kind: Kind, other: Kind) -> Term:
    """The value as it is when compared with one of the other kind. Raises PgeraseError where they do not compare."""
    families = {kind.family, other.family}
    if families == {Family.NUMBER}:
        floating = {kind.name, other.name} & _FLOATING
        return Changed("float", term, "number") if floating and kind.name not in _FLOATING else term
    if families == {Family.TEXT}:
        if kind.ignores_case and other.ignores_case:
            return _folded(term)
        if {kind.name, other.name} & _PADDED and {kind.name, other.name} & {"character varying"}:
            return term if kind.name in _PADDED else Changed("unpadded", term, "text")
        return term
    if families == {Family.DATE, Family.TIMESTAMP}:
        return term if kind.family is Family.TIMESTAMP else Changed("midnight", term, "timestamp")
    if len(families) == 1 and (Family.OTHER not in families or kind.name == other.name):
        return term
    raise PgeraseError(f"{kind} and {other} cannot be compared")


def _folded(term: Term) -> Term:
    if isinstance(term, Constant) and str(term.value).isascii():
        return Constant(str(term.value).lower(), "folded")
    return Changed("fold", term, "folded")


def pair(formulas: Formulas, operator: Operator, left: tuple[Term, Kind], right: tuple[Term, Kind]) -> Formula:
    """Whether two values, neither null, compare so; for `ne` and `not_in`: whether they are equal. Raises PgeraseError."""
    (a, left_kind), (b, right_kind) = left, right
    if operator in _SEARCHED:
        if left_kind.family is not Family.TEXT or right_kind.family is not Family.TEXT:
            raise PgeraseError(f"{left_kind} and {right_kind} are not both text")
        return formulas.atom(_SEARCHED[operator], a, b)
    a, b = aligned(a, left_kind, right_kind), aligned(b, right_kind, left_kind)
    match operator:
        case Operator.LT:
            return formulas.negation(_at_most(formulas, b, a))
        case Operator.LE:
            return _at_most(formulas, a, b)
        case Operator.GT:
            return formulas.negation(_at_most(formulas, a, b))
        case Operator.GE:
            return _at_most(formulas, b, a)
        case _ if operator in EQUALS:
            return formulas.true if a == b else formulas.atom("equal", *sorted((a, b), key=repr))
        case _:
            raise PgeraseError(f"{operator} does not compare two values")


def _at_most(formulas: Formulas, a: Term, b: Term) -> Formula:
    return formulas.true if a == b else formulas.atom("at most", a, b)


def of_array(formulas: Formulas, word: str, array: Array, *others: tuple[Argument, Kind]) -> Formula:
    """What is said of any element of an array, of which no more is known than that it is the same for the same array."""
    kinds = " ".join(other.name for _, other in others)
    return formulas.atom(f"any {word} {array.kind.name} {kinds}", array.term, *(argument for argument, _ in others))
