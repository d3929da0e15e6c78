"""Rules as arms of one OR: rules of the same shape folded into one membership test, each arm one an index can serve.

A rule grants a row if somebody in reach fits `who` and, the same somebody, `rows` (docs/meaning.md, 20). Conditions on the
person alone and on the row alone stand by themselves; an equality between both becomes `column = any (array(select …))`; where
several conditions tie row and person together, the arrays only prefilter and one EXISTS decides for one person.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from pgerase.catalog.model import Table
from pgerase.compile import bound, sql
from pgerase.compile.bound import ColumnValue, Side
from pgerase.compile.emit import Emitter, Env, sides
from pgerase.compile.sql import Atom, Formula, conjunction, disjunction, ident, text_literal
from pgerase.compile.types import array_type, exact_array
from pgerase.rules.conditions import Operator

FOLD_FROM = 2
"""So many rules of one shape are folded into one arm."""

MAX_SPREAD = 8
"""A rule is spread over its top-level ORs into at most so many arms."""

_ROW_ONLY = frozenset({Side.ROW})
_PERSON_ONLY = frozenset({Side.PERSON})

_RANGES = {
    "smallint": ("'-32768'::smallint", "'32767'::smallint"),
    "integer": ("'-2147483648'::integer", "'2147483647'::integer"),
    "bigint": ("'-9223372036854775808'::bigint", "'9223372036854775807'::bigint"),
    "uuid": ("'00000000-0000-0000-0000-000000000000'::uuid", "'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid"),
    "date": ("'-infinity'::date", "'infinity'::date"),
    "timestamp without time zone": ("'-infinity'::timestamp", "'infinity'::timestamp"),
    "timestamp with time zone": ("'-infinity'::timestamptz", "'infinity'::timestamptz"),
}


@dataclass(frozen=True, slots=True)
class Grant:
    """What one rule grants, ready to be folded: through reach or to the viewer alone, under conditions that all hold."""

    through_reach: bool
    conditions: tuple[bound.BoundCondition, ...]


@dataclass(frozen=True, slots=True)
class Arm:
    """One or more grants of the same shape. `constants` has one row a folded grant; empty where nothing was folded."""

    through_reach: bool
    conditions: tuple[bound.BoundCondition, ...]
    constants: tuple[tuple[str, ...], ...]


def spread(through_reach: bool, condition: bound.BoundCondition) -> list[Grant]:
    """A rule as grants without OR at the top where that stays small: "somebody for whom A or B" is "for whom A, or for whom B"."""
    parts = flatten(condition)
    # An OR about the row alone is served by the gate in front of it; only one that names people is worth arms of its own.
    choices = [
        part.terms if isinstance(part, bound.BAny) and part.terms and Side.PERSON in sides(part) else (part,)
        for part in parts
    ]
    total = 1
    for choice in choices:
        total *= len(choice)
    if total > MAX_SPREAD:
        return [Grant(through_reach, tuple(parts))]
    return [
        Grant(through_reach, tuple(dict.fromkeys(leaf for part in combination for leaf in flatten(part))))
        for combination in product(*choices)
    ]


def flatten(condition: bound.BoundCondition) -> list[bound.BoundCondition]:
    """The conditions that all have to hold, nested ALLs taken apart."""
    if isinstance(condition, bound.BAll):
        return [leaf for term in condition.terms for leaf in flatten(term)]
    return [condition]


def fold(grants: Iterable[Grant]) -> list[Arm]:
    """Grants of one shape, differing in constants only, as one arm; the others as they are. Order of first appearance."""
    shapes: dict[Grant, list[tuple[Grant, tuple[str, ...]]]] = {}
    for grant in dict.fromkeys(grants):
        shape, constants = _shape(grant)
        shapes.setdefault(shape, []).append((grant, constants))
    arms: list[Arm] = []
    for shape, members in shapes.items():
        if len(members) >= FOLD_FROM and members[0][1]:
            arms.append(Arm(shape.through_reach, shape.conditions, tuple(constants for _, constants in members)))
        else:
            arms.extend(Arm(grant.through_reach, grant.conditions, ()) for grant, _ in members)
    return arms


def _shape(grant: Grant) -> tuple[Grant, tuple[str, ...]]:
    """The grant with the constants of its equality tests taken out, and those constants."""
    constants: list[str] = []
    shaped: list[bound.BoundCondition] = []
    for condition in grant.conditions:
        if (
            isinstance(condition, bound.BTest)
            and condition.operator in (Operator.EQ, Operator.IN)
            and isinstance(condition.right, bound.Constant)
            and isinstance(condition.left, ColumnValue)
        ):
            right = condition.right
            listed = f"array[{', '.join(right.items)}]::{array_type(right.type)}"
            text = listed if right.type.many else right.items[0]
            constants.append(text)
            shaped.append(
                replace(condition, operator=Operator.EQ, right=bound.Parameter(f"c{len(constants)}", right.type))
            )
        else:
            shaped.append(condition)
    return Grant(grant.through_reach, tuple(shaped)), tuple(constants)


def key_range(table: Table) -> tuple[str, str, str] | None:
    """A never-null column that begins an index, with its least and greatest value: a gate an index can serve."""
    indexes = sorted(table.indexes, key=lambda index: (not index.primary, index.name))
    for index in indexes:
        first = index.columns[0] if index.columns else None
        column = table.column(first) if first is not None else None
        if column is None or not index.valid or index.partial or index.method != "btree" or not column.not_null:
            continue
        if column.type == column.base_type and column.base_type in _RANGES:
            return (column.name, *_RANGES[column.base_type])
    return None


class ArmEmitter:
    """Writes arms for the rows of one table."""

    def __init__(self, emitter: Emitter, table: Table) -> None:
        self.emitter = emitter
        self.table = table
        self.range = key_range(table)
        self.indexed = {
            index.columns[0] for index in table.indexes if index.valid and not index.partial and index.columns
        }

    def gate(self, query: str, env: Env) -> Formula:
        """All rows if the query finds anything, none otherwise; by a range of the key where an index can serve it.

        Nothing is added that an index could not serve: one such arm makes PostgreSQL test the whole OR row by row, and then
        every array in it is searched from end to end.
        """
        if self.range is None or not env.as_set:
            return Atom(sql.exists(query))
        column, low, high = self.range
        return Atom(f"{env.row}.{ident(column)} between {_if_found(low, query)} and {high}")

    def wide_gate(self, conditions: Iterable[bound.BoundCondition], env: Env) -> Formula:
        """All rows if the viewer himself fits, for the few who may see everything; costs others nothing.

        A range whose end is unknown while planning is taken for half a percent of the table, and pages in key order would be
        read in the hope of meeting such rows. So `become` leaves a hint for the planner: without it the range is known to be
        empty. The hint decides nothing: who sets it himself fails the second test, and for who fits without it (promoted
        within this very transaction) there is the list of keys.
        """
        query = self.person_query("", False, (), conditions, env)
        if self.range is None or not env.as_set:
            return Atom(sql.exists(query))
        column, low, high = self.range
        mine = f"{env.row}.{ident(column)}"
        hint = f"current_setting({text_literal(self.emitter.naming.wide_hint).strip()}, true)"
        # Within CASE, so that nobody is looked up where there is no hint.
        hinted = f"{mine} >= case when {hint} = 'yes' then {sql.indent(_if_found(low, query))} end"
        alias, _ = env.fresh("a")
        everything = self.emitter.facts.read(self.table.name, {column}, decides_people=False)
        # By a range again, which the planner thinks short: the cost of reading all keys would call for JIT where none is read.
        promoted = f"{hint} is distinct from 'yes'\n    and {sql.exists(query)}"
        chosen = f"select {low}\nwhere {promoted}"
        key = f"{alias}.{ident(column)}"
        unhinted = sql.select(key, [f"{everything} {alias}"], [f"{key} between {sql.subquery(chosen)} and {high}"])
        return disjunction(
            [
                Atom(hinted),
                Atom(f"{mine} = any ({sql.array_of(unhinted)})"),
            ]
        )

    def me_gate(self, conditions: Iterable[bound.BoundCondition], env: Env, extra: Iterable[str] = ()) -> Formula:
        """All rows if the viewer himself fits the conditions."""
        return self.gate(self.person_query("", False, (), conditions, env, extra), env)

    def person_query(
        self,
        out: str,
        through_reach: bool,
        constants: tuple[tuple[str, ...], ...],
        conditions: Iterable[bound.BoundCondition],
        env: Env,
        extra: Iterable[str] = (),
    ) -> str:
        """SELECT from the people in question (alias p), and the folded constants (k), under conditions on them."""
        sources, inside = self.people(through_reach, constants, env)
        held = [text for condition in conditions for text in self.emitter.conjuncts(condition, inside, positive=True)]
        return sql.select(out, sources, [*held, *extra])

    def people(self, through_reach: bool, constants: tuple[tuple[str, ...], ...], env: Env) -> tuple[list[str], Env]:
        """The people in question as sources, and the environment in which they stand."""
        alias, inside = env.fresh("p")
        inside = replace(inside, person=alias)
        sources = [f"{self.emitter.reach if through_reach else self.emitter.me} {alias}"]
        if constants:
            name, inside = inside.fresh("k")
            inside = replace(inside, constants=name)
            columns = ", ".join(f"c{number + 1}" for number in range(len(constants[0])))
            rows = ",\n".join(f"({', '.join(row)})" for row in constants)
            values = sql.block("(", f"values\n    {sql.indent(rows)}", ")")
            sources.append(f"{values} {name} ({columns})")
        return sources, inside

    def arms(self, arms: Iterable[Arm], env: Env, gates: Sequence[str] = ()) -> Formula:
        """The OR of all arms. `gates` are further conditions on the viewer that each arm is put under."""
        return disjunction(self.arm(arm, env, gates) for arm in arms)

    def arm(self, arm: Arm, env: Env, gates: Sequence[str]) -> Formula:
        """One arm as a formula over the row."""
        person: list[bound.BoundCondition] = []
        row: list[bound.BoundCondition] = []
        tied: list[bound.BoundCondition] = []
        for condition in arm.conditions:
            depends = sides(condition)
            (row if depends == _ROW_ONLY else tied if Side.ROW in depends else person).append(condition)
        on_row = [self.emitter.truth(condition, env, positive=True) for condition in row]
        if not tied:
            if not person and not arm.constants:
                return conjunction([self.me_gate((), env, gates), *on_row])
            query = self.person_query("", arm.through_reach, arm.constants, person, env, gates)
            return conjunction([self.gate(query, env), *on_row])
        if not env.as_set:
            return conjunction([*on_row, self.one_person(arm, person, tied, env, gates)])
        equalities = [condition for condition in tied if is_equality(condition)]
        # An array that no index serves only repeats what the test for one person says.
        served = [condition for condition in equalities if self.is_indexed(condition)] or equalities[:1]
        prefilters = [self.equality(arm, condition, person, env, gates) for condition in served]
        exact = len(tied) == 1 and bool(equalities) and not _is_narrowed_by_row(tied[0])
        if exact:
            return conjunction([*prefilters, *on_row])
        return conjunction([*prefilters, *on_row, self.one_person(arm, person, tied, env, gates)])

    def is_indexed(self, condition: bound.BoundCondition) -> bool:
        """Whether an index begins with the row's side of an equality."""
        assert isinstance(condition, bound.BTest) and isinstance(condition.left, ColumnValue)
        left = condition.left
        return (left.hops[0].columns[0] if left.hops else left.column) in self.indexed

    def one_person(
        self,
        arm: Arm,
        person: list[bound.BoundCondition],
        tied: list[bound.BoundCondition],
        env: Env,
        gates: Sequence[str],
    ) -> Formula:
        """One and the same person fits everything: for the viewer alone his values, for several people a tuple test
        where plain equalities tie them to the row, else a correlated EXISTS.
        """
        if env.as_set and not arm.through_reach and not arm.constants:
            # The gate is needed: with no such viewer, "none of his values" would hold.
            held = [self.emitter.truth(condition, replace(env, person=None), positive=True) for condition in tied]
            return conjunction([*held, self.me_gate(person, env, gates)])
        if env.as_set and all(_is_plain_equality(condition) for condition in tied):
            sources, inside = self.people(arm.through_reach, arm.constants, env)
            held = [text for condition in person for text in self.emitter.conjuncts(condition, inside, positive=True)]
            left: list[str] = []
            right: list[str] = []
            for condition in tied:
                assert (
                    isinstance(condition, bound.BTest)
                    and condition.right is not None
                    and not isinstance(condition.right, tuple)
                )
                left.append(self.emitter.value(condition.left, env))
                right.append(self.emitter.value(condition.right, inside))
            query = sql.select(", ".join(right), sources, [*held, *gates])
            return Atom(f"({', '.join(left)}) in {sql.subquery(query)}")
        query = self.person_query(
            "", arm.through_reach, arm.constants, [*person, *tied], replace(env, as_set=False), gates
        )
        return Atom(sql.exists(query))

    def equality(
        self,
        arm: Arm,
        condition: bound.BoundCondition,
        person: list[bound.BoundCondition],
        env: Env,
        gates: Sequence[str],
    ) -> Atom:
        """`row column = any (the people's values)`, the form that uses the column's index."""
        assert isinstance(condition, bound.BTest) and isinstance(condition.left, ColumnValue)
        right = condition.right
        assert right is not None and not isinstance(right, tuple)
        if arm.through_reach and not arm.constants and not person and self.is_key(right):
            return Atom(self.points_at(condition.left, self.emitter.keys_in_reach(gates), env))
        sources, inside = self.people(arm.through_reach, arm.constants, env)
        held = [text for one in person for text in self.emitter.conjuncts(one, inside, positive=True)]
        if isinstance(right, bound.RelationValue):
            right = replace(right, narrowed=_without_row(right.narrowed))
            members, conditions, out, inside = self.emitter.members(right, inside)
            query = sql.select(out, [*sources, *members], [*held, *conditions, *gates])
            query = self.emitter.with_descendants(right, query, inside)
        elif right.type.many:
            alias, inside = inside.fresh("e")
            spread_out = f"lateral unnest({self.emitter.value(right, inside)}) {alias} (v)"
            query = sql.select(f"{alias}.v", [*sources, spread_out], [*held, *gates])
        else:
            out = self.emitter.value(right, inside)
            query = sql.select(out, sources, [*held, *gates])
        if not arm.through_reach and not arm.constants and not right.type.many and not condition.left.type.many:
            return Atom(self.points_at(condition.left, sql.subquery(query), env, single=True))
        return Atom(self.points_at(condition.left, sql.array_of(query), env))

    def is_key(self, value: bound.Value) -> bool:
        """Whether a value is the key of the person in question."""
        people = self.emitter.facts.people
        if people is None or not isinstance(value, ColumnValue):
            return False
        return value.side is Side.PERSON and not value.hops and value.column == people.key.name

    def points_at(self, left: ColumnValue, values: str, env: Env, *, single: bool = False) -> str:
        """The row's column, or the column its lookups lead to, is among the values: an array, or the `single` one."""
        if left.type.many:
            return f"{self.emitter.value(left, env)} && {values}::{exact_array(left.type)}"
        sign = left.type.operator("=")
        among = values if single else f"any ({values})"
        if not left.hops:
            return f"{self.emitter.value(left, env)} {sign} {among}"
        alias, inside = env.fresh("h")
        end, sources, conditions, _ = self.emitter.chain(alias, left.hops[1:], Side.ROW, inside, left.column)
        first = left.hops[0]
        onwards = left.hops[1].columns if len(left.hops) > 1 else (left.column,)
        view = self.emitter.facts.read(first.target, {*first.target_columns, *onwards}, decides_people=False)
        column = f"{end}.{ident(left.column)}"
        keys = ", ".join(f"{alias}.{ident(name)}" for name in first.target_columns)
        found = sql.select(keys, [f"{view} {alias}", *sources], [*conditions, f"{column} {sign} {among}"])
        mine = [f"{env.row}.{ident(name)}" for name in first.columns]
        if len(mine) == 1:
            return f"{mine[0]} = any ({sql.array_of(found)})"
        return f"({', '.join(mine)}) in {sql.subquery(found)}"


def _if_found(value: str, query: str) -> str:
    """A scalar subquery: the value if the query finds anything, else null."""
    return sql.subquery(f"select {value}\nwhere {sql.exists(query)}")


def is_equality(condition: bound.BoundCondition) -> bool:
    """A test that a column of the row equals one of a person's values: what an array can stand for."""
    if not isinstance(condition, bound.BTest) or condition.right is None or isinstance(condition.right, tuple):
        return False
    if not isinstance(condition.left, ColumnValue) or condition.left.side is not Side.ROW:
        return False
    right = condition.right
    if isinstance(right, bound.RelationValue):
        if Side.ROW in sides(right.relation.where):
            return False
    elif sides(right) != _PERSON_ONLY:
        return False
    allowed = {Operator.EQ, Operator.IN, Operator.OVERLAPS}
    if condition.left.type.many:
        if condition.left.type.is_citext or not condition.left.type.holds_all_of(right.type):
            return False
        return condition.operator in allowed | {Operator.CONTAINS}
    return condition.operator in allowed


def _is_plain_equality(condition: bound.BoundCondition) -> bool:
    return (
        is_equality(condition)
        and isinstance(condition, bound.BTest)
        and isinstance(condition.left, ColumnValue)
        and not condition.left.hops
        and not condition.left.type.many
        and not condition.left.type.is_citext
        and isinstance(condition.right, (ColumnValue, bound.Parameter))
        and not condition.right.type.many
    )


def _is_narrowed_by_row(condition: bound.BoundCondition) -> bool:
    return (
        isinstance(condition, bound.BTest)
        and isinstance(condition.right, bound.RelationValue)
        and Side.ROW in sides(condition.right.narrowed)
    )


def _without_row(condition: bound.BoundCondition) -> bound.BoundCondition:
    """The conjuncts that do not depend on the row: a weaker condition, good enough to prefilter."""
    return bound.BAll(tuple(part for part in flatten(condition) if Side.ROW not in sides(part)))
