"""Aggregates: numbers about groups of rows, for people who may not see the rows.

Each is a view for its readers over a function that only its owner could name, over a blind view with the query. The function gives
whole groups alone, so whatever a reader puts into WHERE is asked about finished groups: no condition, leaky or not, ever meets a row
or a group that is not shown. A plain view would push conditions on its keys below HAVING; a security_barrier view stops that, but
EXPLAIN ANALYZE shows how many rows its scans found, and so the size of groups that it hides. A function has no plan to show. The
query is a view of its own because its names are resolved once, when it is made: in the function's body, every session would
find types anew, its own temporary ones first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Column, Name
from pgerase.compile import sql
from pgerase.compile.bound import BoundAggregate, BoundMeasure, BoundResource, BoundRules, ColumnValue
from pgerase.compile.decisions import DecisionEmitter
from pgerase.compile.desired import DesiredAggregate, DesiredFunction, DesiredObject, DesiredView
from pgerase.compile.emit import Env, row_env
from pgerase.compile.sql import ident, qualified
from pgerase.compile.types import unmodified
from pgerase.compile.views import PREFER_COLUMNS, ViewBuilder, texts
from pgerase.errors import Finding, Severity
from pgerase.rules.access import Measure
from pgerase.rules.conditions import Action

_FLOATS = ("real", "double precision")
_EACH = "each"
_WIDE = 100


@dataclass(frozen=True, slots=True)
class _Shown:
    """A column of an aggregate: its name, its type, and what it is in the outer select."""

    name: str
    type: str
    text: str


class Aggregates:
    """Compiles the aggregates of one pack whose resources are governed."""

    def __init__(
        self, rules: BoundRules, governed: Sequence[BoundResource], decisions: DecisionEmitter, views: ViewBuilder
    ) -> None:
        self._resources = {resource.name: resource for resource in governed}
        self._decisions = decisions
        self._views = views
        self._catalog: Catalog = views.catalog
        self._wanted = tuple(one for one in rules.aggregates if one.resource in self._resources)
        self._left_out = tuple(one for one in rules.aggregates if one.resource not in self._resources)

    def objects(self) -> tuple[DesiredObject, ...]:
        """What each is made of; what they read is noted for the blind views, which have to come before them."""
        return tuple(made for one in self._wanted for made in self._made(one))

    def shown(self) -> tuple[DesiredAggregate, ...]:
        """Which view tells of which table."""
        return tuple(
            DesiredAggregate(self._name(one), self._resources[one.resource].table.name) for one in self._wanted
        )

    def findings(self, masks: Iterable[Name]) -> tuple[Finding, ...]:
        """Aggregates that are not made, and names that something else has."""
        taken = {*masks, *(name for name in self._catalog.tables if name.schema == self._decisions.naming.api)}
        left_out = tuple(
            Finding(
                "aggregate-not-governed",
                Severity.WARNING,
                one.name,
                f"{one.resource} is not in mode on, so that there is no aggregate {one.name}",
                "",
                one.at,
            )
            for one in self._left_out
        )
        clashes = tuple(
            Finding(
                "name-collision",
                Severity.ERROR,
                one.name,
                f"there is another {self._name(one)} already: a table, or the masked view of one",
                "Give the aggregate another name.",
                one.at,
            )
            for one in self._wanted
            if self._name(one) in taken
        )
        return (*left_out, *clashes)

    def _name(self, one: BoundAggregate) -> Name:
        return Name(self._decisions.naming.api, one.name)

    def _made(self, one: BoundAggregate) -> tuple[DesiredView, DesiredFunction, DesiredView]:
        naming = self._decisions.naming
        shown = self._columns(one)
        groups = naming.view("groups", one.name)
        asked = naming.view("aggregate", one.name)
        listed = ",\n    ".join(f"v.{ident(column.name)}" for column in shown)
        declared = ",\n        ".join(f"{ident(column.name)} {column.type}" for column in shown)
        said = f"{one.name} of {one.resource} ({one.at})"
        size = "rows" if one.each is None else f"different {self._path(one.each)}"
        comment = (
            f"Aggregate {said}: groups of at least {one.at_least} {size}, for those whom it is for; empty for others."
            " [pgerase aggregate]"
        )
        outer = f"select\n    {listed}\nfrom {qualified(asked)}() v"
        sql.assert_query(outer)
        return (
            self._views.view(
                groups, self._query(one, shown), f"Groups of aggregate {said}. [pgerase aggregate]", readable=False
            ),
            self._views.function(
                asked,
                f"table (\n        {declared}\n    )",
                f"\n{PREFER_COLUMNS}",
                f"return query select\n    {listed}\nfrom {qualified(groups)} v;",
                f"Groups of aggregate {said}, with no plan to look into.",
                rows=10,
            ),
            DesiredView(self._name(one), naming.lookup, outer, (naming.viewer,), comment),
        )

    # The query --------------------------------------------------------------------------------------------------------

    def _query(self, one: BoundAggregate, shown: Sequence[_Shown]) -> str:
        """Rows that requirements allow, each with what is asked of it; then groups, and of these the large ones."""
        rows = sql.block("from (", self._rows(one), ") v")
        listed = ",\n    ".join(f"{sql.indent(column.text)} as {ident(column.name)}" for column in shown)
        lines = [f"select\n    {listed}", rows]
        if one.by:
            lines.append("group by " + ", ".join(f"v.{_key(key.name)}" for key in one.by))
        lines.append(f"having {self._size(one, None)} >= {one.at_least}")
        return "\n".join(lines)

    def _rows(self, one: BoundAggregate) -> str:
        resource = self._resources[one.resource]
        emitter, env = self._decisions.emitter, row_env("r", as_set=True)
        asked = [f"{emitter.column(key.value, env, '{}')} as {_key(key.name)}" for key in one.by]
        if one.each is not None:
            asked.append(f"{emitter.column(one.each, env, '{}')} as {ident(_EACH)}")
        asked += [
            f"{emitter.column(value.value, env, '{}')} as {_input(value.name)}"
            for value in one.values
            if value.value is not None
        ]
        person = Env(person="p", taken=frozenset({"p"}))
        parts: list[sql.Formula] = [self._decisions.anyone(emitter.conjuncts(one.who, person, positive=True))]
        parts += [
            self._decisions.requirement(resource, requirement, env)
            for requirement in self._decisions.required(resource, Action.READ)
        ]
        parts.append(emitter.truth(one.rows, env, positive=True))
        joined = sql.conjunction(parts)
        conditions = texts([*joined.parts] if isinstance(joined, sql.And) else [joined])
        return sql.select(
            ",\n    ".join(sql.indent(text) for text in asked), [f"{qualified(resource.table.name)} r"], conditions
        )

    def _size(self, one: BoundAggregate, of: str | None) -> str:
        """How large a group is, or that part of it in which a value is there."""
        if one.each is None:
            return "count(*)" if of is None else f"count({of})"
        counted = f"count(distinct v.{ident(_EACH)})"
        return counted if of is None else f"{counted} filter (where {of} is not null)"

    def _columns(self, one: BoundAggregate) -> list[_Shown]:
        keys: list[_Shown] = []
        for key in one.by:
            column = self._end(one, key.value)
            base = unmodified(column.base_type)
            cast = f"::{base}" if column.base_type != column.type or column.base_type == "character" else ""
            keys.append(_Shown(key.name, base, f"v.{_key(key.name)}{cast}"))
        return [*keys, *(self._value(one, value) for value in one.values)]

    def _value(self, one: BoundAggregate, value: BoundMeasure) -> _Shown:
        """A number of the group, null where too few of it have a value at all."""
        if value.value is None:
            return _Shown(value.name, "bigint", _rounded("count(*)", "bigint", value.round_to))
        of, base = f"v.{_input(value.name)}", value.value.type.base
        match value.measure:
            case Measure.DISTINCT | Measure.COUNT:
                kind, told = "bigint", f"count(distinct {of})"
            case Measure.SUM:
                # Single precision would lose what many rows add up to.
                kind = {"smallint": "bigint", "integer": "bigint", "bigint": "numeric", "numeric": "numeric"}.get(
                    base, "double precision"
                )
                told = f"sum({of}{'::double precision' if base == 'real' else ''})"
            case Measure.AVG:
                kind = "double precision" if base in _FLOATS else "numeric"
                told = f"avg({of})"
        told = _rounded(told, kind, value.round_to)
        condition = f"{self._size(one, of)} >= {one.at_least}"
        short = f"case when {condition} then {told} end"
        return _Shown(
            value.name, kind, short if len(short) <= _WIDE else f"case\n    when {condition}\n    then {told}\nend"
        )

    def _end(self, one: BoundAggregate, value: ColumnValue) -> Column:
        name = value.hops[-1].target if value.hops else self._resources[one.resource].table.name
        column = self._catalog.tables[name].column(value.column)
        assert column is not None
        return column

    @staticmethod
    def _path(value: ColumnValue) -> str:
        return ".".join([*(",".join(hop.columns) for hop in value.hops), value.column])


def _key(name: str) -> str:
    return ident(sql.fit_name(f"by_{name}"))


def _input(name: str) -> str:
    return ident(sql.fit_name(f"of_{name}"))


def _rounded(told: str, kind: str, to: int | None) -> str:
    return told if to is None else f"(round({told}::numeric / {to}) * {to})::{kind}"
