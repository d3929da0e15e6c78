"""Conditions over a row or a person: the tree of `pgerase.rules.conditions` becomes true, false or unknown.

What a person's attributes and groups are is asked of `People`, whether a viewer may do something of the decision; this
module knows neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from pgerase.errors import PgeraseError
from pgerase.meaning.paths import Facts, Row, last_column
from pgerase.meaning.truth import Truth, and3, not3, or3
from pgerase.meaning.values import Found, Kind, Many, One, between, compare, literal_value, relative_value
from pgerase.rules.conditions import (
    Action,
    All,
    AnyOf,
    Can,
    Condition,
    HasConsent,
    InGroup,
    IsRole,
    Literal,
    LiteralList,
    Not,
    Operand,
    Operator,
    Range,
    RelativeTime,
    RowRef,
    SubjectRef,
    Test,
    ViewerRef,
)
from pgerase.rules.names import Path

May: TypeAlias = Callable[[Row, Action], bool]
"""Whether the viewer, finally, may do that to a row: what `{can: …}` asks."""


class Population(Protocol):
    """What conditions ask about people."""

    def attribute(self, person: Row, name: str) -> Found | None:
        """A person's attribute; None where a hop on the way is null or missing."""
        ...

    def operand(self, person: Row, ref: ViewerRef, resource_row: Row | None) -> Found | None:
        """What `{viewer: …}` stands for, narrowed by its `where`."""
        ...

    def is_member(self, person: Row, names: tuple[str, ...]) -> bool:
        """Whether the person is in any of these groups."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What the words of a condition refer to at the place where it stands (docs/meaning.md, point 29)."""

    bare: Row
    """Bare names are columns and lookups of this row."""
    about_person: bool
    """… or rather attributes of the person it is (point 10)."""
    in_who: bool
    """`group` may be said."""
    person: Row | None
    """`{viewer: …}` is this person's."""
    resource_row: Row | None
    """`{row: …}` starts from this row."""
    may: May | None
    """`{can: …}` asks this."""


def who_scope(person: Row) -> Scope:
    """For `who`: about a person, with groups."""
    return Scope(person, about_person=True, in_who=True, person=person, resource_row=None, may=None)


def person_scope(person: Row) -> Scope:
    """For `criteria`, `active`, `erased` and `super_admin`: about a person."""
    return Scope(person, about_person=True, in_who=False, person=person, resource_row=None, may=None)


def rows_scope(row: Row, person: Row | None, may: May | None) -> Scope:
    """For `rows` and `becomes`: about a resource's row, with a person's attributes beside it."""
    return Scope(row, about_person=False, in_who=False, person=person, resource_row=row, may=may)


def where_scope(row: Row, person: Row | None, resource_row: Row | None) -> Scope:
    """For the `where` of a relation, or (without a person) of members: about one of their rows."""
    return Scope(row, about_person=False, in_who=False, person=person, resource_row=resource_row, may=None)


class Conditions:
    """Evaluates conditions over rows at one moment."""

    def __init__(self, facts: Facts, people: Population, now: datetime) -> None:
        self._facts = facts
        self._people = people
        self._now = now

    def holds(self, condition: Condition | None, scope: Scope) -> Truth:
        """The condition's truth there; an omitted one is true.

        Raises PgeraseError for what may not stand at this place, cannot be compared, or is of a later release.
        """
        match condition:
            case None:
                return True
            case All(terms=terms):
                return and3(self.holds(term, scope) for term in terms)
            case AnyOf(terms=terms):
                return or3(self.holds(term, scope) for term in terms)
            case Not(term=term):
                return not3(self.holds(term, scope))
            case Test():
                return self._test(condition, scope)
            case InGroup(names=names):
                if not scope.in_who or scope.person is None:
                    raise PgeraseError(f"{condition.at}: group may stand in `who` only")
                return self._people.is_member(scope.person, names)
            case IsRole():
                # A role is no condition on a person: the rules for roles are told apart before any is asked (point 11).
                raise PgeraseError(f"{condition.at}: role may stand alone in the `who` of a rule only")
            case Can():
                return self._can(condition, scope)
            case HasConsent():
                raise PgeraseError(f"{condition.at}: consent is not evaluated by this release")

    def _can(self, condition: Can, scope: Scope) -> Truth:
        """Point 22: unknown where the lookup is null or dangling, else two-valued."""
        if scope.may is None:
            raise PgeraseError(f"{condition.at}: can may stand in `rows` and `becomes` only")
        row = self._facts.follow(scope.bare, condition.path.steps)
        return None if row is None else scope.may(row, condition.action)

    def _test(self, condition: Test, scope: Scope) -> Truth:
        left = self._tested(condition.path, scope)
        if left is None:
            return None  # through a null or missing hop every test is unknown (point 1)
        operator, operand = condition.operator, condition.operand
        if operator in (Operator.IS_NULL, Operator.IS_SET):
            return self._is_null(condition, left) is (operator is Operator.IS_NULL)
        if operator is Operator.BETWEEN:
            if not isinstance(operand, Range):
                raise PgeraseError(f"{condition.at}: between needs a low and a high value")
            low, high = (self._operand(end, left.kind, scope) for end in (operand.low, operand.high))
            unknown = One(None, left.kind)
            return between(left, low or unknown, high or unknown)
        if operand is None:
            raise PgeraseError(f"{condition.at}: {operator} needs an operand")
        right = self._operand(operand, left.kind, scope)
        return None if right is None else compare(operator, left, right)

    def _tested(self, path: Path, scope: Scope) -> Found | None:
        if scope.about_person and len(path.steps) == 1:
            return self._people.attribute(scope.bare, last_column(path))
        return self._at(path, scope.bare)

    def _at(self, path: Path, row: Row) -> Found | None:
        name = last_column(path)
        end = self._facts.follow(row, path.lookups)
        return None if end is None else self._facts.read(end, name)

    def _is_null(self, condition: Test, left: Found) -> bool:
        """Two-valued on a column that is there; refused on a relation, which is no column (point 30)."""
        if isinstance(left, One):
            return left.value is None
        if left.is_relation:
            raise PgeraseError(f"{condition.at}: is_null and is_set mean nothing on a relation")
        return left.values is None

    def _operand(self, operand: Operand, kind: Kind, scope: Scope) -> Found | None:
        """The operand's value for a comparison with `kind`; None where a hop on its way is null or missing."""
        match operand:
            case Literal(value=value):
                return One(literal_value(value, kind), kind)
            case LiteralList(items=items):
                return Many(tuple(literal_value(item.value, kind) for item in items), kind)
            case ViewerRef():
                if scope.person is None:
                    raise PgeraseError(f"{operand.at}: there is no viewer here")
                return self._people.operand(scope.person, operand, scope.resource_row)
            case RowRef(path=path):
                if scope.resource_row is None:
                    raise PgeraseError(f"{operand.at}: there is no resource's row here")
                return self._at(path, scope.resource_row)
            case RelativeTime():
                return One(relative_value(operand, self._now, kind), kind)
            case Range():
                raise PgeraseError(f"{operand.at}: two values stand in between only")
            case SubjectRef():
                raise PgeraseError(f"{operand.at}: subject stands in data maps only")

    def sides(self, test: Test, scope: Scope) -> tuple[Found | None, ...]:
        """What a test compares: what is tested, then the operand, or both ends of a range. Raises as `holds` does."""
        left = self._tested(test.path, scope)
        if left is None or test.operand is None:
            return (left,)
        ends = (test.operand.low, test.operand.high) if isinstance(test.operand, Range) else (test.operand,)
        return (left, *(self._operand(end, left.kind, scope) for end in ends))


Node: TypeAlias = Condition | Operand


def walk(node: Node | None) -> Iterator[Node]:
    """The condition and everything in it, operands and their `where` included."""
    if node is None:
        return
    yield node
    match node:
        case All(terms=terms) | AnyOf(terms=terms):
            for term in terms:
                yield from walk(term)
        case Not(term=term):
            yield from walk(term)
        case Test(operand=operand):
            yield from walk(operand)
        case ViewerRef(where=where):
            yield from walk(where)
        case Range(low=low, high=high):
            yield from walk(low)
            yield from walk(high)
        case LiteralList(items=items):
            yield from items
        case InGroup() | IsRole() | Can() | HasConsent() | Literal() | RowRef() | RelativeTime() | SubjectRef():
            return


def names_viewer(condition: Condition | None) -> bool:
    """Whether the condition says anything about a viewer: an attribute of his, or what he may do."""
    return any(isinstance(node, ViewerRef | Can) for node in walk(condition))
