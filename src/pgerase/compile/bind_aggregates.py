"""Binds `aggregates`: what they group by and tell has to be there, of a type that can be grouped or added, and not masked."""

from __future__ import annotations

from itertools import combinations

from pgerase.catalog.model import Name, Table
from pgerase.compile import bound
from pgerase.compile.bind_conditions import ConditionBinder, Scope
from pgerase.compile.bound import BoundAggregate, BoundKey, BoundMeasure, ColumnValue, Side
from pgerase.compile.types import WITHOUT_EQUALITY
from pgerase.errors import Finding, Position, Severity
from pgerase.rules import access
from pgerase.rules.access import Measure
from pgerase.rules.names import Path

_ADDED = (Measure.SUM, Measure.AVG)
_UNGROUPED = {*WITHOUT_EQUALITY, "jsonb"}


class AggregateBinder(ConditionBinder):
    """Aggregates of resources. What cannot be bound is left out and named in the findings."""

    def bind_aggregates(self, resources: tuple[bound.BoundResource, ...]) -> tuple[BoundAggregate, ...]:
        """Every aggregate whose resource could be bound."""
        known = {resource.name: resource for resource in resources}
        made = [
            self.attempt(lambda one=one: self.bind_aggregate(one, known))
            for one in self.rules.aggregates
            if one.resource in known
        ]
        found = tuple(one for one in made if one is not None)
        self.findings += _differences(found)
        return found

    def bind_aggregate(self, one: access.Aggregate, resources: dict[str, bound.BoundResource]) -> BoundAggregate:
        """One aggregate, its names found and its types checked."""
        table = resources[one.resource].table
        by: list[BoundKey] = []
        for key in one.by:
            value = self.groupable(table, key.path, key.at)
            self.refuse_masked(table, value, key, resources)
            by.append(BoundKey(key.name, value))
        return BoundAggregate(
            name=one.name,
            resource=one.resource,
            who=self.condition(one.who, Scope(Side.PERSON, self.people_table(one.at))),
            by=tuple(by),
            rows=self.condition(one.rows, Scope(Side.ROW, table, person=True, row=table, can=True)),
            values=tuple(self.measure(table, value) for value in one.values),
            at_least=one.at_least,
            each=None if one.each is None else self.groupable(table, one.each, one.at),
            at=one.at,
        )

    def refuse_masked(
        self, table: Table, value: ColumnValue, key: access.AggregateKey, resources: dict[str, bound.BoundResource]
    ) -> None:
        """A group shows what its rows have in common: no column that is hidden from somebody, nor what one leads to."""
        hidden = {
            (resource.table.name, right.column.name): right.read
            for resource in resources.values()
            for right in resource.columns.hidden
        }
        read: list[tuple[Name, str]] = []
        at = table.name
        for hop in value.hops:
            read += [(at, column) for column in hop.columns]
            at = hop.target
        for name, column in (*read, (at, value.column)):
            if (name, column) in hidden:
                right = hidden[name, column]
                where = "" if right is None else f" ({right.at.file}:{right.at.line})"
                message = f"{name}.{column} is hidden from somebody{where}, and grouping by it shows its values"
                hint = "Group by something else; sums, averages and counts of it may be shown."
                raise self.fail("aggregate-shows-masked", key.name, message, key.at, hint)

    def measure(self, table: Table, value: access.AggregateValue) -> BoundMeasure:
        """A number to show: sums and averages are of numbers, different values of what has equality."""
        path = None
        if value.path is not None and value.measure in _ADDED:
            path = self.path(Side.ROW, table, value.path, value.at)
            if path.type.family != "number" or path.type.many:
                message = (
                    f"{value.path} is {path.type.base}{'[]' if path.type.many else ''}: {value.measure} is of numbers"
                )
                raise self.fail("not-a-number", value.name, message, value.at)
        elif value.path is not None:
            path = self.groupable(table, value.path, value.at)
        return BoundMeasure(value.name, value.measure, path, value.round_to)

    def groupable(self, table: Table, path: Path, at: Position) -> ColumnValue:
        """A single value of which it is certain when two are the same."""
        value = self.path(Side.ROW, table, path, at)
        kind = value.type
        if kind.many or kind.base in _UNGROUPED:
            shown = f"{kind.base}[]" if kind.many else kind.base
            raise self.fail("not-groupable", str(path), f"{path} is {shown}, by which rows are not grouped", at)
        if kind.is_citext or not kind.collation_deterministic:
            message = f"{path} counts different texts as one, so that it depends on chance which of them is shown"
            raise self.fail("not-groupable", str(path), message, at, "Use a column with a deterministic collation.")
        return value


def _differences(made: tuple[BoundAggregate, ...]) -> list[Finding]:
    """Aggregates of the same rows: the difference of two may be a group that neither shows."""
    return [
        Finding(
            "aggregates-differ",
            Severity.NOTE,
            second.name,
            f"{first.name} and {second.name} both count rows of {first.resource}: whoever sees both can subtract one from the other,"
            " and the rest may be a group too small to be shown",
            "Let different people see them, or round_to what they show.",
            second.at,
        )
        for first, second in combinations(made, 2)
        if first.resource == second.resource
    ]
