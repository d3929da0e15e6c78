"""Conditions, people, groups and relations as formulas: docs/meaning.md, points 1 to 10, as `pgerase.meaning` decides them.

A condition becomes two formulas, for true and for false; where neither holds it is unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pgerase.catalog.model import Catalog, Table
from pgerase.compare.formula import Field, Formula, Formulas, Place, Term
from pgerase.compare.values import (
    EQUALS,
    Array,
    Listed,
    NotComparable,
    Related,
    Single,
    Value,
    constant,
    moment,
    of_array,
    pair,
    sort_of,
)
from pgerase.errors import PgeraseError
from pgerase.meaning.paths import Facts, Lookup, last_column
from pgerase.meaning.values import Kind, kind_of
from pgerase.rules.access import (
    AccessRules,
    ColumnAttribute,
    Group,
    LookupAttribute,
    ManagerColumn,
    ManagerTree,
    MemberKeys,
    MemberRelation,
    RelationAttribute,
    Viewers,
)
from pgerase.rules.conditions import (
    Action,
    All,
    AnyOf,
    Can,
    Condition,
    InGroup,
    Literal,
    LiteralList,
    Not,
    Operand,
    Operator,
    Range,
    RelativeTime,
    RowRef,
    Test,
    ViewerRef,
)
from pgerase.rules.names import BackStep, Path, Step

_DEEPEST = 6
"""Relations that rest on relations; deeper ones have no formula."""


@dataclass(frozen=True, slots=True)
class Truth:
    """When a condition is true, and when it is false."""

    true: Formula
    false: Formula


May: TypeAlias = Callable[[Place, Action], Formula]


@dataclass(frozen=True, slots=True)
class Scope:
    """What words refer to, as `pgerase.meaning.conditions.Scope`."""

    bare: Place
    about_person: bool = False
    person: Place | None = None
    row: Place | None = None
    may: May | None = None


class Encoder:
    """One set of rules against a catalog."""

    def __init__(self, rules: AccessRules, catalog: Catalog, formulas: Formulas) -> None:
        """Raises PgeraseError where the rules do not fit the catalog."""
        self.rules = rules
        self.formulas = formulas
        self.facts = Facts(catalog, rules.references, {})
        self.tables = {str(name): table for name, table in catalog.tables.items()}
        self._enums = {
            column.element_type or column.base_type
            for table in catalog.tables.values()
            for column in table.columns
            if column.type_kind == "e"
        }
        self._groups = {group.name: group for group in rules.groups}
        self.viewers = rules.viewers
        self._attributes = {} if rules.viewers is None else {one.name: one for one in rules.viewers.attributes}
        self._depth = 0

    def known_viewers(self) -> Viewers:
        """The viewers. Raises PgeraseError where there are none."""
        if self.viewers is None:
            raise PgeraseError("there are no viewers")
        return self.viewers

    # -- truth ---------------------------------------------------------------------------------------------------------

    def both(self, truths: Iterable[Truth]) -> Truth:
        """SQL's AND."""
        found = list(truths)
        return Truth(self.formulas.every(one.true for one in found), self.formulas.any(one.false for one in found))

    def either(self, truths: Iterable[Truth]) -> Truth:
        """SQL's OR."""
        found = list(truths)
        return Truth(self.formulas.any(one.true for one in found), self.formulas.every(one.false for one in found))

    def where(self, known: Formula, formula: Formula) -> Truth:
        """The formula where it is known at all."""
        return Truth(
            self.formulas.every((known, formula)), self.formulas.every((known, self.formulas.negation(formula)))
        )

    def holds(self, condition: Condition | None, scope: Scope) -> Truth:
        """A condition; an omitted one is true. Raises PgeraseError where it has no meaning or no formula."""
        match condition:
            case None:
                return Truth(self.formulas.true, self.formulas.false)
            case All(terms=terms):
                return self.both(self.holds(term, scope) for term in terms)
            case AnyOf(terms=terms):
                return self.either(self.holds(term, scope) for term in terms)
            case Not(term=term):
                inner = self.holds(term, scope)
                return Truth(inner.false, inner.true)
            case Test():
                return self._test(condition, scope)
            case InGroup(names=names):
                if scope.person is None:
                    raise NotComparable("a group, where there is no person")
                member = self.formulas.any(self._is_member(scope.person, self._group(name)) for name in names)
                return Truth(member, self.formulas.negation(member))
            case Can(path=path, action=action):
                if scope.may is None:
                    raise NotComparable("can, where nobody asks")
                there = self.follow(scope.bare, path.steps)
                return self.where(self.found(there), scope.may(there, action))
            case _:
                raise NotComparable(f"{type(condition).__name__} has no formula")

    # -- rows and columns ----------------------------------------------------------------------------------------------

    def table_of(self, place: Place) -> Table:
        """The table of the row."""
        return self.tables[place.table]

    def found(self, place: Place) -> Formula:
        """Whether the lookups lead to a row."""
        return self.formulas.atom("found", place) if place.path else self.formulas.true

    def follow(self, place: Place, steps: Iterable[Step | BackStep]) -> Place:
        """The row where lookups end. Raises PgeraseError."""
        for step in steps:
            place = self.hop(place, self.facts.lookup(self.table_of(place), step))
        return place

    def hop(self, place: Place, lookup: Lookup) -> Place:
        """The row looked up."""
        return Place(place.root, place.home, (*place.path, lookup))

    def read(self, place: Place, name: str) -> Single | Array:
        """A column of a row, in whatever row that may be. Raises PgeraseError where there is none."""
        column = self.facts.column(self.table_of(place), name)
        kind = kind_of(column)
        there = self.found(place)
        term = Field(place, name, "array" if column.element_type is not None else sort_of(kind, self._enums))
        known = self.formulas.every((there, self.formulas.negation(self.formulas.atom("null", term))))
        return (Single if column.element_type is None else Array)(term, kind, there, known)

    def _at(self, path: Path, place: Place) -> Single | Array:
        return self.read(self.follow(place, path.lookups), last_column(path))

    # -- tests ---------------------------------------------------------------------------------------------------------

    def _test(self, test: Test, scope: Scope) -> Truth:
        path = test.path
        if scope.about_person and len(path.steps) == 1:
            left = self._attribute(scope.bare, last_column(path))
        else:
            left = self._at(path, scope.bare)
        if test.operator in (Operator.IS_NULL, Operator.IS_SET):
            if not isinstance(left, Single | Array):
                raise NotComparable("is_null of a relation")
            null = self.where(left.there, self.formulas.atom("null", left.term))
            return null if test.operator is Operator.IS_NULL else Truth(null.false, null.true)
        if test.operator is Operator.BETWEEN:
            return self._between(left, test.operand, scope)
        if test.operand is None:
            raise NotComparable(f"{test.operator} without an operand")
        return self._compare(test.operator, left, self._operand(test.operand, left.kind, scope))

    def _between(self, left: Value, ends: Operand | None, scope: Scope) -> Truth:
        if not isinstance(ends, Range):
            raise NotComparable("between without two ends")
        low, high = (self._operand(end, left.kind, scope) for end in (ends.low, ends.high))
        if not isinstance(low, Single) or not isinstance(high, Single):
            raise NotComparable("between many values")
        if isinstance(left, Single):
            sides = ((Operator.GE, low), (Operator.LE, high))
            return self.both(self._compare(operator, left, end) for operator, end in sides)
        known = self.formulas.every((self._known(left), low.known, high.known))
        if isinstance(left, Array):
            any_one = of_array(self.formulas, "between", left, (low.term, low.kind), (high.term, high.kind))
            return self.where(known, any_one)
        if not isinstance(left, Related):
            raise NotComparable("a list between two ends")

        def lies_between(term: Term) -> Formula:
            return self.formulas.every(
                pair(self.formulas, operator, (term, left.kind), (end.term, end.kind))
                for operator, end in ((Operator.GE, low), (Operator.LE, high))
            )

        return self.where(known, self._some_related(left, lies_between))

    def _compare(self, operator: Operator, left: Value, right: Value) -> Truth:
        known = self.formulas.every((self._known(left), self._known(right)))
        if operator is Operator.CONTAINS and not isinstance(left, Single):
            operator = Operator.EQ
        found = self._any(operator, left, right)
        if operator in (Operator.NE, Operator.NOT_IN):
            found = self.formulas.negation(found)
        return self.where(known, found)

    def _known(self, value: Value) -> Formula:
        return value.known if isinstance(value, Single | Array) else self.formulas.true

    def _any(self, operator: Operator, left: Value, right: Value) -> Formula:
        """Whether any pair compares so; for the negative operators: is equal."""
        formulas = self.formulas
        match left, right:
            case Single(), Single():
                return pair(formulas, operator, (left.term, left.kind), (right.term, right.kind))
            case (_, Listed()) | (Listed(), _):
                listed, other = (right, left) if isinstance(right, Listed) else (left, right)
                assert isinstance(listed, Listed)
                singles = [self._literal(item, listed.kind) for item in listed.items]
                if isinstance(right, Listed):
                    return formulas.any(self._any(operator, other, one) for one in singles)
                return formulas.any(self._any(operator, one, other) for one in singles)
            case Related(), _:
                return self._some_related(left, lambda term: self._any(operator, self._literal(term, left.kind), right))
            case _, Related():
                return self._some_related(
                    right, lambda term: self._any(operator, left, self._literal(term, right.kind))
                )
            case Array(), (Single() | Array()):
                return of_array(formulas, self._word(operator), left, (right.term, right.kind))
            case Single(), Array():
                # An element equal to a value is the same either way round.
                word = self._word(operator)
                return of_array(formulas, word if word == "equal" else f"{word} of", right, (left.term, left.kind))
            case _:
                raise NotComparable("two values that cannot be compared")

    def _word(self, operator: Operator) -> str:
        return "equal" if operator in EQUALS else operator.value

    def _literal(self, term: Term, kind: Kind) -> Single:
        return Single(term, kind, self.formulas.true, self.formulas.true)

    def _operand(self, operand: Operand, kind: Kind, scope: Scope) -> Value:
        match operand:
            case Literal(value=value):
                return self._literal(constant(value, kind, self._enums), kind)
            case LiteralList(items=items):
                return Listed(tuple(constant(item.value, kind, self._enums) for item in items), kind)
            case ViewerRef():
                if scope.person is None:
                    raise NotComparable("a viewer, where there is none")
                return self._of_viewer(scope.person, operand, scope.row)
            case RowRef(path=path) if scope.row is not None:
                return self._at(path, scope.row)
            case RelativeTime():
                return self._literal(moment(operand, kind), kind)
            case _:
                raise NotComparable(f"{type(operand).__name__} has no formula here")

    # -- people --------------------------------------------------------------------------------------------------------

    def who(self, person: Place, condition: Condition | None) -> Truth:
        """A `who`, `criteria` and the like, about a person."""
        return self.holds(condition, Scope(person, about_person=True, person=person))

    def key(self, person: Place) -> Single:
        """The person's key."""
        found = self.read(person, self.known_viewers().key)
        if not isinstance(found, Single):
            raise NotComparable("a key that is an array")
        return found

    def not_erased(self, person: Place) -> Formula:
        """Known not to be erased."""
        erased = self.known_viewers().erased
        return self.formulas.true if erased is None else self.who(person, erased).false

    def is_active(self, person: Place) -> Formula:
        """Known to be active, and known not to be erased."""
        return self.formulas.every((self.not_erased(person), self.who(person, self.known_viewers().active).true))

    def is_super_admin(self, person: Place) -> Formula:
        """Known to be super admin."""
        condition = self.known_viewers().super_admin
        return self.formulas.false if condition is None else self.who(person, condition).true

    def in_reach(self, viewer: Place, make: Callable[[Place], Formula]) -> Formula:
        """Whether it holds for the viewer, or for somebody below him who is not erased."""
        manager = self.known_viewers().manager
        match manager:
            case None:
                return make(viewer)
            case ManagerColumn(column=column):
                word = f"below {viewer.table} {self.known_viewers().key} {column}"
            case ManagerTree(through=through, up=up):
                end = self.follow(viewer, through.steps)
                word = f"below {viewer.table} {end.path!r} {up}"

        def within(person: Place) -> Formula:
            below = self.formulas.atom(word, viewer, person)
            return self.formulas.every((below, self.not_erased(person), make(person)))

        return self.formulas.any((make(viewer), self._some(viewer.table, within)))

    def _some(self, table: str, make: Callable[[Place], Formula]) -> Formula:
        """Some row of the table for which it holds."""
        if self._depth >= _DEEPEST:
            raise NotComparable(f"relations are nested more than {_DEEPEST} deep")
        self._depth += 1
        variable = Place(f"some {self._depth} of {table}", table)
        made = self.formulas.some(variable, make(variable))
        self._depth -= 1
        return made

    def _group(self, name: str) -> Group:
        if name not in self._groups:
            raise PgeraseError(f"there is no group {name}")
        return self._groups[name]

    def _is_member(self, person: Place, group: Group) -> Formula:
        formulas = self.formulas
        fits = formulas.false if group.criteria is None else self.who(person, group.criteria).true
        member = formulas.any((fits, self._is_listed(person, group)))
        return member if group.include_inactive else formulas.every((self.is_active(person), member))

    def _is_listed(self, person: Place, group: Group) -> Formula:
        key = self.key(person)
        match group.members:
            case None:
                return self.formulas.false
            case MemberKeys(keys=keys):
                listed = Listed(tuple(constant(item.value, key.kind, self._enums) for item in keys), key.kind)
                return self.formulas.every((key.known, self._any(Operator.EQ, key, listed)))
            case MemberRelation(table=name, value=column, where=where):

                def lists(member: Place) -> Formula:
                    value = self.read(member, column)
                    if not isinstance(value, Single):
                        raise NotComparable("members in an array")
                    same = self._any(Operator.EQ, key, value)
                    return self.formulas.every((value.known, same, self.holds(where, Scope(member)).true))

                table = str(self.facts.table(name).name)
                return self.formulas.every((key.known, self._some(table, lists)))

    def _attribute(self, person: Place, name: str) -> Value:
        declared = self._attributes.get(name)
        match declared:
            case None | ColumnAttribute():
                return self.read(person, name)
            case LookupAttribute(path=path):
                return self._at(path, person)
            case RelationAttribute():
                return self._relation(declared, person, None, None)

    def _of_viewer(self, person: Place, ref: ViewerRef, row: Place | None) -> Value:
        if ref.where is None:
            return self.key(person) if ref.attribute == "key" else self._attribute(person, ref.attribute)
        declared = self._attributes.get(ref.attribute)
        if not isinstance(declared, RelationAttribute):
            raise PgeraseError(f"where narrows relations only, and {ref.attribute} is none")
        return self._relation(declared, person, ref.where, row)

    def _relation(
        self, relation: RelationAttribute, person: Place, narrowed: Condition | None, row: Place | None
    ) -> Related:
        kind = kind_of(self.facts.column(self.facts.table(relation.table), relation.value))
        return Related(relation, person, narrowed, row, kind)

    def _some_related(self, related: Related, make: Callable[[Term], Formula]) -> Formula:
        """Whether it holds for any of a relation's values."""
        relation = related.relation
        table = self.facts.table(relation.table)
        if table.column(relation.value) is not None and self.facts.column(table, relation.value).element_type:
            raise NotComparable(f"the values of {relation.name} are arrays")

        def holds_for(member: Place) -> Formula:
            value = self.read(member, relation.value)
            assert isinstance(value, Single)
            plain = self.holds(relation.where, Scope(member, person=related.person)).true
            narrowed = self.holds(related.narrowed, Scope(member, person=related.person, row=related.row)).true
            given = (value.known, plain, narrowed)
            if relation.below is None:
                return self.formulas.every((*given, make(value.term)))
            return self.formulas.every((*given, self._some_below(relation, value, make)))

        return self._some(str(table.name), holds_for)

    def _some_below(self, relation: RelationAttribute, value: Single, make: Callable[[Term], Formula]) -> Formula:
        """Whether it holds for a value itself, or for the key of a row below it in the tree."""
        assert relation.below is not None
        tree = self.facts.table(relation.below.table)
        if len(relation.below.columns) != 1 or len(tree.primary_key) != 1:
            raise PgeraseError("below needs one parent column and a primary key of one column")
        word = f"leads to {tree.name} {relation.below.columns[0]} {value.kind.name}"

        def holds_for(node: Place) -> Formula:
            own = self.read(node, tree.primary_key[0])
            assert isinstance(own, Single)
            leads = self.formulas.atom(word, node, value.term)
            # The key is compared as a value of the relation's kind, as the values are.
            if own.kind != value.kind:
                raise NotComparable(f"the key of {tree.name} is of another type than what leads to it")
            return self.formulas.every((own.known, leads, make(own.term)))

        return self.formulas.any((make(value.term), self._some(str(tree.name), holds_for)))
