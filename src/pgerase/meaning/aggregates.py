"""What aggregates tell of rows, in exact arithmetic: docs/meaning.md, points 43 to 45."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TypeAlias

from pgerase.catalog.model import Table
from pgerase.errors import PgeraseError
from pgerase.meaning.paths import Facts, Row
from pgerase.meaning.values import One, column_value, stand_in
from pgerase.rules.access import Aggregate, AggregateValue, Measure
from pgerase.rules.names import Path

Key: TypeAlias = tuple[Hashable, ...]
"""What a group's rows have in common; None is null."""
Told: TypeAlias = Fraction | float | None
"""A number of a group: exact, but for the infinities and NaN; None where it is not shown, or there is none."""
Groups: TypeAlias = Mapping[Key, tuple[Told, ...]]


def told(aggregate: Aggregate, rows: Sequence[Row], facts: Facts) -> Groups:
    """The groups of these rows that are large enough, with what is shown of each."""
    groups: dict[Key, list[Row]] = {}
    for row in rows:
        key = tuple(_stand_in(_at(key.path, row, facts)) for key in aggregate.by)
        groups.setdefault(key, []).append(row)
    return {
        key: tuple(_value(aggregate, value, members, facts) for value in aggregate.values)
        for key, members in groups.items()
        if _size(aggregate, members, facts) >= aggregate.at_least
    }


def key_values(aggregate: Aggregate, table: Table, shown: Sequence[object], facts: Facts) -> Key:
    """Values of the grouping columns as the driver returns them, in the form in which `told` gives keys."""
    found: list[Hashable] = []
    for key, value in zip(aggregate.by, shown, strict=True):
        column = facts.column(facts.target(table, key.path.lookups), key.path.column)
        found.append(_stand_in(column_value(column, value)))
    return tuple(found)


def _at(path: Path, row: Row, facts: Facts) -> One | None:
    """The value where the path leads; None through a null or missing hop."""
    end = facts.follow(row, path.lookups)
    return None if end is None else facts.single(end, path.column)


def _stand_in(found: object) -> Hashable:
    if found is None:
        return None
    if not isinstance(found, One):
        raise PgeraseError("an array is no key of a group")
    return None if found.value is None else stand_in(found.value, found.kind, found.kind)


def _size(aggregate: Aggregate, members: Sequence[Row], facts: Facts) -> int:
    if aggregate.each is None:
        return len(members)
    values = {_stand_in(_at(aggregate.each, row, facts)) for row in members}
    return len(values - {None})


def _value(aggregate: Aggregate, value: AggregateValue, members: Sequence[Row], facts: Facts) -> Told:
    if value.path is None:
        return _rounded(Fraction(len(members)), value.round_to)
    found = [(row, _at(value.path, row, facts)) for row in members]
    there = [(row, one) for row, one in found if one is not None and one.value is not None]
    if _size(aggregate, [row for row, _ in there], facts) < aggregate.at_least:
        return None
    if value.measure is Measure.DISTINCT:
        return _rounded(Fraction(len({_stand_in(one) for _, one in there})), value.round_to)
    total = _total([one.value for _, one in there])
    if value.measure is Measure.AVG:
        total = total / len(there)
    return _rounded(total, value.round_to)


def _total(values: Sequence[object]) -> Fraction | float:
    """The exact sum; of values that are not all finite what PostgreSQL makes of them."""
    numbers = [value for value in values if isinstance(value, int | float | Decimal)]
    if len(numbers) != len(values):
        raise PgeraseError("sums and averages are of numbers")
    endless = [float(number) for number in numbers if not math.isfinite(number)]
    if endless:
        return endless[0] if len(set(endless)) == 1 else math.nan
    return sum((Fraction(number) for number in numbers), Fraction(0))


def _rounded(number: Fraction | float, to: int | None) -> Fraction | float:
    """The nearest multiple, halves away from zero."""
    if to is None or isinstance(number, float):
        return number
    size = math.floor(abs(number) / to + Fraction(1, 2)) * to
    return Fraction(size if number >= 0 else -size)
