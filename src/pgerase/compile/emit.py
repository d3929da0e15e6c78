"""Bound conditions written as SQL, exactly three-valued or, where only *true* counts, in the form indexes like best.

Every column is qualified by an alias, and no alias inside is ever that of a row outside: a bare name would be captured by
the innermost table that happens to have such a column.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from pgerase.catalog.model import Catalog, Name
from pgerase.compile import bound, sql
from pgerase.compile.bound import ColumnValue, Hop, Side
from pgerase.compile.naming import Naming
from pgerase.compile.sql import Atom, Formula, conjunction, disjunction, ident, qualified
from pgerase.compile.types import ValueType, array_type, exact_array
from pgerase.rules.conditions import Action, Operator

_SIGNS = {
    Operator.EQ: "=",
    Operator.IN: "=",
    Operator.OVERLAPS: "=",
    Operator.NE: "<>",
    Operator.NOT_IN: "<>",
    Operator.LT: "<",
    Operator.LE: "<=",
    Operator.GT: ">",
    Operator.GE: ">=",
}
_EQUALS = {Operator.EQ, Operator.IN, Operator.OVERLAPS}
_DIFFERS = {Operator.NE, Operator.NOT_IN}
_ORDERS = {Operator.LT, Operator.LE, Operator.GT, Operator.GE}


@dataclass(slots=True)
class Facts:
    """What the emitted SQL turned out to read: it decides which blind views are made and which columns are guarded."""

    naming: Naming
    people: bound.BoundPeople | None
    catalog: Catalog
    tables: dict[Name, set[str]] = field(default_factory=dict[Name, "set[str]"])
    authority: dict[Name, set[str]] = field(default_factory=dict[Name, "set[str]"])
    person_columns: set[str] = field(default_factory=set[str])
    keys_in_reach: bool = False
    """Somewhere the keys of the people in reach are asked for alone."""
    groups: set[str] = field(default_factory=set[str])
    may: dict[tuple[str, Action], set[tuple[str, ...]]] = field(
        default_factory=dict[tuple[str, Action], "set[tuple[str, ...]]"]
    )
    meets: dict[tuple[str, str], set[tuple[str, ...]]] = field(
        default_factory=dict[tuple[str, str], "set[tuple[str, ...]]"]
    )

    def read(self, table: Name, columns: Iterable[str], *, decides_people: bool) -> str:
        """Note that these columns are read, and give the blind view to read them from."""
        wanted = set(columns)
        self.tables.setdefault(table, set()).update(wanted)
        if decides_people:
            self.authority.setdefault(table, set()).update(wanted)
        return qualified(self.naming.fact(table))

    def person(self, column: str) -> str:
        """Note that a column of the viewers table is read of people, and give the column's identifier."""
        self.person_columns.add(column)
        return ident(column)


@dataclass(frozen=True, slots=True)
class Env:
    """Whose row stands under which alias. `person` None means the viewer alone, read as scalar subqueries."""

    row: str | None = None
    person: str | None = None
    member: str | None = None
    constants: str = "k"
    as_set: bool = True
    """Build on arrays (for scans); False: correlated EXISTS (for one new row)."""
    taken: frozenset[str] = frozenset()

    def fresh(self, wish: str) -> tuple[str, Env]:
        """An alias that hides nothing outside, and the environment in which it is taken."""
        alias, number = wish, 1
        while alias in self.taken:
            number += 1
            alias = f"{wish}{number}"
        return alias, replace(self, taken=self.taken | {alias})


def row_env(alias: str, *, as_set: bool) -> Env:
    """The environment of a policy or view whose row is called `alias` (not yet quoted)."""
    return Env(row=ident(alias), as_set=as_set, taken=frozenset({alias, ident(alias)}))


def sides(thing: bound.BoundCondition | bound.Value | None) -> frozenset[Side]:
    """Whose values a condition or value depends on. A relation's own member row does not count."""
    match thing:
        case None | bound.Constant() | bound.Computed():
            return frozenset()
        case bound.Parameter() | bound.BInGroup():
            return frozenset({Side.PERSON})
        case bound.BCan():
            return frozenset({Side.ROW})
        case ColumnValue(side=side):
            return frozenset({side})
        case bound.RelationValue(relation, narrowed):
            inner = sides(relation.where) | sides(narrowed)
            return inner - {Side.MEMBER}
        case bound.BAll(terms) | bound.BAny(terms):
            return frozenset[Side]().union(*(sides(term) for term in terms))
        case bound.BNot(term):
            return sides(term)
        case bound.BTest(left, _, right):
            if isinstance(right, tuple):
                return sides(left) | sides(right[0]) | sides(right[1])
            return sides(left) | sides(right)


def asks_decision(thing: bound.BoundCondition) -> bool:
    """Whether a condition holds a `{can: …}`."""
    match thing:
        case bound.BCan():
            return True
        case bound.BAll(terms) | bound.BAny(terms):
            return any(asks_decision(term) for term in terms)
        case bound.BNot(term):
            return asks_decision(term)
        case _:
            return False


class Emitter:
    """Writes bound conditions as SQL and notes in `facts` what they read."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.naming = facts.naming

    # People -------------------------------------------------------------------------------------------------------

    @property
    def me(self) -> str:
        """The function that gives the viewer's own row, none unless he is active."""
        return f"{qualified(self.naming.view('me'))}()"

    @property
    def reach(self) -> str:
        """The function that gives the viewer's row and those of everyone below."""
        return f"{qualified(self.naming.view('reach'))}()"

    def keys_in_reach(self, gates: Iterable[str]) -> str:
        """The keys of everyone in reach as one array; null where one of `gates` does not hold."""
        people = self.facts.people
        assert people is not None
        self.facts.keys_in_reach = True
        answer = qualified(self.naming.keys(self.naming.view("reach"), people.key.name))
        return f"{sql.subquery(sql.select(f'{answer}()', [], gates))}::{people.key.base_type}[]"

    # Values -------------------------------------------------------------------------------------------------------

    def value(self, value: bound.Value, env: Env) -> str:
        """A value as an SQL expression: an array where it is many."""
        match value:
            case ColumnValue():
                return self.column(value, env, "{}")
            case bound.RelationValue():
                return sql.array_of(self.relation(value, env))
            case bound.Constant(items, kind):
                return f"array[{', '.join(items)}]::{array_type(kind)}" if kind.many else items[0]
            case bound.Computed(text):
                return text
            case bound.Parameter(name):
                return f"{env.constants}.{ident(name)}"

    def column(self, value: ColumnValue, env: Env, shape: str) -> str:
        """A column, put into `shape` ("{}" or "{} is null"); through a missing hop the whole is null."""
        if value.side is Side.PERSON and not value.hops:
            self.facts.person(value.column)
        viewer_alone = value.side is Side.PERSON and env.person is None
        if not value.hops:
            if not viewer_alone:
                return shape.format(f"{self.root(value.side, env)}.{ident(value.column)}")
            alias, env = env.fresh("p")
            query = sql.select(shape.format(f"{alias}.{ident(value.column)}"), [f"{self.me} {alias}"], [])
            return _as_array(value, sql.subquery(query), shape)
        before: list[str] = []
        if viewer_alone:
            start, env = env.fresh("p")
            before.append(f"{self.me} {start}")
        else:
            start = self.root(value.side, env)
        alias, sources, conditions, _ = self.chain(start, value.hops, value.side, env, value.column)
        query = sql.select(shape.format(f"{alias}.{ident(value.column)}"), [*before, *sources], conditions)
        return _as_array(value, sql.subquery(query), shape)

    def root(self, side: Side, env: Env) -> str:
        """The alias of a side's row."""
        alias = {Side.ROW: env.row, Side.PERSON: env.person, Side.MEMBER: env.member}[side]
        assert alias is not None, f"no {side} here"
        return alias

    def chain(
        self, start: str, hops: tuple[Hop, ...], side: Side, env: Env, last_column: str | None = None
    ) -> tuple[str, list[str], list[str], Env]:
        """Follow lookups from `start`: the last alias, the sources, and the join conditions."""
        sources: list[str] = []
        conditions: list[str] = []
        previous = start
        for number, hop in enumerate(hops):
            alias, env = env.fresh("h")
            onwards = hops[number + 1].columns if number + 1 < len(hops) else ((last_column,) if last_column else ())
            view = self.facts.read(hop.target, {*hop.target_columns, *onwards}, decides_people=side is not Side.ROW)
            if side is Side.PERSON and number == 0:
                for name in hop.columns:
                    self.facts.person(name)
            sources.append(f"{view} {alias}")
            conditions.extend(
                f"{alias}.{ident(theirs)} = {previous}.{ident(mine)}"
                for mine, theirs in zip(hop.columns, hop.target_columns, strict=True)
            )
            previous = alias
        return previous, sources, conditions, env

    def relation(self, value: bound.RelationValue, env: Env) -> str:
        """A query for a person's values of a relation, nulls dropped."""
        sources, conditions, out, env = self.members(value, env)
        return self.with_descendants(value, sql.select(out, sources, [*conditions, f"{out} is not null"]), env)

    def members(self, value: bound.RelationValue, env: Env) -> tuple[list[str], list[str], str, Env]:
        """The member rows of a relation: sources, conditions, the value expression, and the environment they stand in."""
        relation = value.relation
        alias, env = env.fresh("m")
        inside = replace(env, member=alias)
        columns = {relation.value, *member_columns(relation.where), *member_columns(value.narrowed)}
        view = self.facts.read(relation.table, columns, decides_people=True)
        conditions = [
            text for part in (relation.where, value.narrowed) for text in self.conjuncts(part, inside, positive=True)
        ]
        return [f"{view} {alias}"], conditions, f"{alias}.{ident(relation.value)}", env

    def with_descendants(self, value: bound.RelationValue, seeds: str, env: Env) -> str:
        """The seeds' query, extended by everything below them where the relation says so."""
        below = value.relation.below
        if below is None:
            return seeds
        view = self.facts.read(below.table, {below.key, below.parent}, decides_people=True)
        tree, env = env.fresh("t")
        found, env = env.fresh("found")
        step = sql.select(
            f"{tree}.{ident(below.key)}",
            [f"{view} {tree}", f"join {found} on {tree}.{ident(below.parent)} = {found}.value"],
            [],
        )
        return (
            f"with recursive {found} (value) as (\n    {sql.indent(seeds)}\n    union\n    {sql.indent(step)}\n)\n"
            f"select {found}.value from {found}"
        )

    # Conditions ---------------------------------------------------------------------------------------------------

    def conjuncts(self, condition: bound.BoundCondition, env: Env, *, positive: bool) -> list[str]:
        """The condition as a list of texts, each safe next to AND."""
        formula = self.truth(condition, env, positive=positive)
        parts = formula.parts if isinstance(formula, sql.And) else (formula,)
        return [sql.formula_text(p) if isinstance(p, Atom) else sql.block("(", sql.formula_text(p), ")") for p in parts]

    def truth(self, condition: bound.BoundCondition, env: Env, *, positive: bool) -> Formula:
        """The condition as a formula. `positive`: only *true* matters, so unknown may come out as false."""
        match condition:
            case bound.BAll(terms):
                return conjunction(self.truth(term, env, positive=positive) for term in terms)
            case bound.BAny(terms):
                return disjunction(self.truth(term, env, positive=positive) for term in terms)
            case bound.BNot(term):
                return Atom(sql.block("not (", sql.formula_text(self.truth(term, env, positive=False)), ")"))
            case bound.BInGroup(names):
                return disjunction(Atom(self.in_group(name, env)) for name in names)
            case bound.BCan():
                return Atom(self.can(condition, env, positive=positive))
            case bound.BTest():
                return Atom(self.test(condition, env, positive=positive))

    def in_group(self, name: str, env: Env) -> str:
        """Membership of the person in a group; never unknown."""
        people = self.facts.people
        assert people is not None
        self.facts.groups.add(name)
        key = self.facts.person(people.key.name)
        person = self.value(ColumnValue(Side.PERSON, (), people.key.name, _key_type(people)), env)
        alias, _ = env.fresh("g")
        view = qualified(self.naming.view("group", name))
        return sql.exists(sql.select("", [f"{view} {alias}"], [f"{alias}.{key} = {person}"]))

    def can(self, condition: bound.BCan, env: Env, *, positive: bool) -> str:
        """The viewer may finally do something to the row a lookup points to."""
        *before, last = condition.side_hops
        self.facts.may.setdefault((condition.resource, condition.action), set()).add(last.target_columns)
        view = self.naming.may(condition.action, condition.resource)
        if positive and not before:
            return self.points_into(last, self.root(Side.ROW, env), view, env)
        start = self.root(Side.ROW, env)
        alias, sources, conditions, env = self.chain(start, condition.side_hops, Side.ROW, env)
        found = self.points_into(Hop(last.target_columns, last.target, last.target_columns), alias, view, env)
        return sql.subquery(sql.select(found, sources, conditions))

    def points_into(self, hop: Hop, start: str, view: Name, env: Env, gates: Iterable[str] = ()) -> str:
        """A lookup that points to a row of a view: by the array of its keys, which a function answers once a statement.

        The function is what keeps planning short: a view would be planned anew, with all that it asks in turn, at every place
        that names it. Keys of several columns have no arrays and are asked of the view.
        """
        mine = [f"{start}.{ident(column)}" for column in hop.columns]
        if len(mine) == 1:
            column = self.facts.catalog.tables[hop.target].column(hop.target_columns[0])
            assert column is not None
            answer = qualified(self.naming.keys(view, column.name))
            keys = sql.subquery(sql.select(f"{answer}()", [], gates))
            return f"{mine[0]} = any ({keys}::{column.base_type}[])"
        alias, _ = env.fresh("d")
        theirs = [f"{alias}.{ident(column)}" for column in hop.target_columns]
        query = sql.select(", ".join(theirs), [f"{qualified(view)} {alias}"], list(gates))
        return f"({', '.join(mine)}) in {sql.subquery(query)}"

    # Tests --------------------------------------------------------------------------------------------------------

    def test(self, test: bound.BTest, env: Env, *, positive: bool) -> str:
        """One comparison."""
        if test.operator in (Operator.IS_NULL, Operator.IS_SET):
            assert isinstance(test.left, ColumnValue)
            return self.column(test.left, env, "{} is null" if test.operator is Operator.IS_NULL else "{} is not null")
        if positive and env.as_set and self.is_indexable_lookup(test):
            return self.lookup_test(test, env)
        left = self.value(test.left, env)
        if isinstance(test.right, tuple):
            low, high = (self.value(end, env) for end in test.right)
            return self.compare_range(test, env, left, low, high, positive=positive)
        assert test.right is not None
        if isinstance(test.right, bound.Constant) and test.right.type.many and not test.left.type.many:
            constant = self.compare_list(test, left, test.right, positive=positive)
            if constant is not None:
                return constant
        right = self.value(test.right, env)
        many = (test.left.type.many, test.right.type.many)
        match many:
            case (False, False):
                return _compare(test.left.type, test.operator, left, right)
            case (False, True):
                return self.compare_any(test, env, left, right, positive=positive)
            case (True, False):
                return self.compare_elements(test, env, left, right, positive=positive)
            case _:
                return self.compare_sets(test, env, left, right, positive=positive)

    @staticmethod
    def is_indexable_lookup(test: bound.BTest) -> bool:
        """A test of a looked-up column of the row against something that is not of the row."""
        return (
            isinstance(test.left, ColumnValue)
            and test.left.side is Side.ROW
            and bool(test.left.hops)
            and Side.ROW not in sides(replace_left(test))
        )

    def lookup_test(self, test: bound.BTest, env: Env) -> str:
        """`row.lookup in (rows there for which the test holds)`: the other way round, so that the row's index serves."""
        assert isinstance(test.left, ColumnValue)
        first, *rest = test.left.hops
        start = self.root(Side.ROW, env)
        alias, inside = env.fresh("h")
        onwards = rest[0].columns if rest else (test.left.column,)
        view = self.facts.read(first.target, {*first.target_columns, *onwards}, decides_people=False)
        # The looked-up row plays the row's part in the inner test; nothing there depends on the outer row.
        inner = replace(test, left=replace(test.left, hops=tuple(rest)))
        held = self.test(inner, replace(inside, row=alias), positive=True)
        mine = [f"{start}.{ident(column)}" for column in first.columns]
        query = sql.select(", ".join(f"{alias}.{ident(c)}" for c in first.target_columns), [f"{view} {alias}"], [held])
        if len(mine) == 1:
            return f"{mine[0]} = any ({sql.array_of(query)})"
        return f"({', '.join(mine)}) in {sql.subquery(query)}"

    def compare_range(self, test: bound.BTest, env: Env, left: str, low: str, high: str, *, positive: bool) -> str:
        """`between`, both ends included."""
        if not test.left.type.many:
            return f"{left} between {low} and {high}"
        e, _ = env.fresh("e")
        found = f"exists (select from unnest({left}) {e} (v) where {e}.v between {low} and {high})"
        return found if positive else _known([left, low, high], found)

    def compare_list(self, test: bound.BTest, left: str, right: bound.Constant, *, positive: bool) -> str | None:
        """A single value against a list written in the file; None where the general form is as good."""
        kind, operator = test.left.type, test.operator
        if operator in _EQUALS:
            if not right.items:
                return "false" if positive else _known([left], "false")
            if len(right.items) == 1:
                return _compare(kind, Operator.EQ, left, right.items[0])
            if not kind.is_citext:
                return f"{left} in ({', '.join(right.items)})"
        if operator in _DIFFERS:
            if not right.items:
                return f"{left} is not null" if positive else _known([left], "true")
            if not kind.is_citext:
                return f"{left} not in ({', '.join(right.items)})"
        return None

    def compare_any(self, test: bound.BTest, env: Env, left: str, right: str, *, positive: bool) -> str:
        """A single value against many."""
        kind, operator = test.left.type, test.operator
        assert test.right is not None and not isinstance(test.right, tuple)
        values = _without_nulls(test.right, right)
        if operator in _EQUALS or operator in _ORDERS:
            sign = kind.operator(_SIGNS[operator])
            if positive:
                return f"{left} {sign} any ({right})"
            return _known([left, *_nullable(test.right, right)], f"{left} {sign} any ({values})")
        if operator in _DIFFERS:
            none_equal = f"{left} {kind.operator('<>')} all ({values})"
            if positive:
                return f"({left} is not null and {none_equal})"
            return _known([left, *_nullable(test.right, right)], none_equal)
        e, _ = env.fresh("e")
        found = f"exists (select from unnest({right}) {e} (v) where {_compare(kind, operator, left, f'{e}.v')})"
        return found if positive else _known([left, *_nullable(test.right, right)], found)

    def compare_elements(self, test: bound.BTest, env: Env, left: str, right: str, *, positive: bool) -> str:
        """Many values on the left against one: any element; none equal for ne and not_in."""
        kind, operator = test.left.type, test.operator
        values = _without_nulls(test.left, left)
        guards = [*_nullable(test.left, left), right]
        if operator in _EQUALS or operator is Operator.CONTAINS:
            assert test.right is not None and not isinstance(test.right, tuple)
            if (
                positive
                and isinstance(test.left, ColumnValue)
                and not kind.is_citext
                and kind.holds_all_of(test.right.type)
            ):
                return f"{left} && array[{right}]::{exact_array(kind)}"
            held = f"{right} {kind.operator('=')} any ({values})"
            return held if positive else _known(guards, held)
        if operator in _DIFFERS:
            none_equal = f"{right} {kind.operator('<>')} all ({values})"
            return f"({right} is not null and {none_equal})" if positive else _known(guards, none_equal)
        e, _ = env.fresh("e")
        found = f"exists (select from unnest({left}) {e} (v) where {_compare(kind.one(), operator, f'{e}.v', right)})"
        return found if positive else _known(guards, found)

    def compare_sets(self, test: bound.BTest, env: Env, left: str, right: str, *, positive: bool) -> str:
        """Many against many: some pair; no shared element for ne and not_in."""
        kind, operator = test.left.type, test.operator
        assert test.right is not None and not isinstance(test.right, tuple)
        if kind.holds_all_of(test.right.type) and not kind.is_citext:
            is_exact = kind.base == test.right.type.base and not isinstance(
                test.right, (bound.Constant, bound.Parameter)
            )
            cast = "" if is_exact else f"::{exact_array(kind)}"
            if operator in _EQUALS or operator is Operator.CONTAINS:
                return f"{left} && {right}{cast}"
            if operator in _DIFFERS:
                return f"not ({left} && {right}{cast})"
        e, inside = env.fresh("e")
        f, _ = inside.fresh("f")
        if operator in _DIFFERS:
            shared = f"exists (select from unnest({left}) {e} (v) where {e}.v {kind.operator('=')} any ({right}))"
            return _known([*_nullable(test.left, left), *_nullable(test.right, right)], f"not {shared}")
        operator = Operator.EQ if operator is Operator.CONTAINS else operator
        pair = _compare(kind.one(), operator, f"{e}.v", f"{f}.v")
        found = f"exists (select from unnest({left}) {e} (v) cross join unnest({right}) {f} (v) where {pair})"
        return found if positive else _known([*_nullable(test.left, left), *_nullable(test.right, right)], found)


def replace_left(test: bound.BTest) -> bound.BTest:
    """The test with its left side forgotten, to ask what the right depends on."""
    return replace(test, left=bound.Constant(("null",), test.left.type))


def member_columns(condition: bound.BoundCondition) -> set[str]:
    """Columns of the member row that a relation's condition reads first hand."""
    found: set[str] = set()

    def note(value: bound.Value | None) -> None:
        if isinstance(value, ColumnValue) and value.side is Side.MEMBER:
            found.update(value.hops[0].columns if value.hops else (value.column,))

    def visit(part: bound.BoundCondition) -> None:
        match part:
            case bound.BAll(terms) | bound.BAny(terms):
                for term in terms:
                    visit(term)
            case bound.BNot(term):
                visit(term)
            case bound.BTest(left, _, right):
                note(left)
                for value in right if isinstance(right, tuple) else (right,):
                    note(value)
            case bound.BInGroup() | bound.BCan():
                pass

    visit(condition)
    return found


def _as_array(value: ColumnValue, found: str, shape: str) -> str:
    """The subquery as one array: bare inside `any (…)` it would be rows to compare with instead."""
    return f"{found}::{array_type(value.type)}" if value.type.many and shape == "{}" else found


def _key_type(people: bound.BoundPeople) -> ValueType:
    return ValueType(people.key.base_type)


def _compare(kind: ValueType, operator: Operator, left: str, right: str) -> str:
    """Two single values; null where either is."""
    if operator in _SIGNS:
        return f"{left} {kind.operator(_SIGNS[operator])} {right}"
    if kind.is_citext:
        # Case as stored (docs/meaning.md, 4), also where citext's own overloads of these functions are on the path.
        left, right = f"{left}::text", f"{right}::text"
    if operator is Operator.CONTAINS:
        return f"strpos({left}, {right}) > 0"
    if operator is Operator.STARTS_WITH:
        return f"starts_with({left}, {right})"
    return f"right({left}, length({right})) = {right}"


def _known(values: Iterable[str], held: str) -> str:
    """Unknown where one of the values is null, else what `held` (two-valued) says."""
    tests = " and ".join(f"{value} is not null" for value in values)
    return sql.block("(case when ", f"{tests} then {held}", " end)") if tests else f"({held})"


def _nullable(value: bound.Value, text: str) -> list[str]:
    """The text, if the array itself may be null: a column's may, a relation's or a written list's may not."""
    return [text] if isinstance(value, (ColumnValue, bound.Parameter)) else []


def _without_nulls(value: bound.Value, text: str) -> str:
    return f"array_remove({text}, null)" if isinstance(value, ColumnValue) else text
