"""Conditions as reasons: every test with its truth, groups with why somebody is in them, lookups with where they lead."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TypeAlias

from pgerase.meaning.conditions import Conditions, Scope, person_scope
from pgerase.meaning.paths import Facts, Row
from pgerase.meaning.people import People
from pgerase.meaning.reasons import Join, Kind, Reason, every, some
from pgerase.meaning.truth import Truth, and3, not3, or3
from pgerase.meaning.values import Found, Many, One
from pgerase.meaning.words import say
from pgerase.rules.access import LookupAttribute, MemberKeys, RelationAttribute
from pgerase.rules.conditions import Action, All, AnyOf, Can, Condition, InGroup, Not, Operator, Test, ViewerRef
from pgerase.rules.names import Path

Decide: TypeAlias = Callable[[Row, Action], Reason]
"""Explains what the viewer, finally, may do to a row: what `{can: …}` asks."""

_EQUALS = (Operator.EQ, Operator.IN, Operator.OVERLAPS)
_SHOWN = 8
"""Values of a relation that are shown."""


def key_of(row: Row) -> str:
    """A row's primary key as people name it; a composite one as the text of a JSON array; empty where it is not known."""
    columns = row.table.key
    if not columns or any(column not in row.values for column in columns):
        return ""
    texts = [_text(row.values[column]) for column in columns]
    return texts[0] if len(texts) == 1 else json.dumps(texts, ensure_ascii=False)


def row_name(row: Row) -> str:
    """A row by its table and key."""
    return f"{row.table.name} {key_of(row) or '(a row without key)'}"


def whose(person: Row | None, viewer: Row | None) -> str:
    """How attributes of a person are spoken of."""
    if person is None or person is viewer:
        return "the viewer's"
    return f"{key_of(person) or 'that person'}'s"


class ConditionReasons:
    """Explains conditions over the same facts and people that `Conditions` evaluates them with."""

    def __init__(self, facts: Facts, people: People | None, conditions: Conditions, *, values: bool) -> None:
        """`values`: reasons hold what was compared."""
        self._facts = facts
        self._people = people
        self._conditions = conditions
        self._values = values

    def why(
        self, condition: Condition | None, scope: Scope, *, viewer: Row | None = None, decide: Decide | None = None
    ) -> Reason:
        """The condition's truth there, and why. Raises PgeraseError as `Conditions.holds` does."""
        match condition:
            case None:
                return Reason(Kind.ALL, True, Join.ALL, says="always")
            case All(terms=terms, at=at):
                parts = tuple(self.why(term, scope, viewer=viewer, decide=decide) for term in terms)
                return Reason(Kind.ALL, and3(part.truth for part in parts), Join.ALL, at=at, parts=parts)
            case AnyOf(terms=terms, at=at):
                parts = tuple(self.why(term, scope, viewer=viewer, decide=decide) for term in terms)
                return Reason(Kind.ANY, or3(part.truth for part in parts), Join.ANY, at=at, parts=parts)
            case Not(term=term, at=at):
                part = self.why(term, scope, viewer=viewer, decide=decide)
                return Reason(Kind.NOT, not3(part.truth), Join.NOT, at=at, parts=(part,))
            case InGroup(names=names, at=at) if self._people is not None and scope.in_who and scope.person is not None:
                person, people = scope.person, self._people
                parts = tuple(self._group(person, name, people) for name in names)
                return parts[0] if len(parts) == 1 else some(Kind.ANY, parts, at=at)
            case Can() if decide is not None:
                return self._can(condition, scope, decide)
            case Test():
                return self._test(condition, scope, viewer)
            case _:
                # Nothing to add: what may not stand here raises as it does when it is evaluated.
                truth = self._conditions.holds(condition, scope)
                return Reason(Kind.TEST, truth, says=say(condition, whose(scope.person, viewer)), at=condition.at)

    # -- lookups -------------------------------------------------------------------------------------------------------

    def lookup(self, row: Row, path: Path) -> tuple[Reason, Row | None]:
        """Where a path of lookups leads from a row, and the row there."""
        found = self._facts.follow(row, path.steps)
        key = "" if found is None else key_of(found)
        says = "is not set, or leads to no row" if found is None else f"leads to {row_name(found)}"
        return Reason(Kind.LOOKUP, found is not None, name=str(path), says=says, key=key), found

    def _can(self, condition: Can, scope: Scope, decide: Decide) -> Reason:
        lookup, row = self.lookup(scope.bare, condition.path)
        decisions = () if row is None else (decide(row, condition.action),)
        return Reason(
            Kind.CAN,
            decisions[0].truth if decisions else None,
            Join.THROUGH,
            name=str(condition.path),
            says=say(condition, "the viewer's"),
            at=condition.at,
            action=condition.action,
            parts=(lookup, *decisions),
        )

    # -- tests ---------------------------------------------------------------------------------------------------------

    def _test(self, test: Test, scope: Scope, viewer: Row | None) -> Reason:
        sides = self._conditions.sides(test, scope)
        truth = self._conditions.holds(test, scope)
        return Reason(
            Kind.TEST,
            truth,
            says=say(test, whose(scope.person, viewer)),
            at=test.at,
            values=tuple(_shown(side) for side in sides) if self._values else (),
            parts=tuple(self._used(test, scope, sides[0], truth)),
        )

    def _used(self, test: Test, scope: Scope, left: Found | None, truth: Truth) -> Iterator[Reason]:
        """The lookups and relations that a test goes through."""
        if test.path.lookups:
            yield self.lookup(scope.bare, Path(test.path.lookups))[0]
        elif scope.about_person:
            yield from self._attribute(scope.bare, test.path.column, None)
        if isinstance(test.operand, ViewerRef) and scope.person is not None and self._people is not None:
            through: Row | None = None
            if truth is True and left is not None and test.operator in _EQUALS:
                through = self._people.row_with(scope.person, test.operand, scope.resource_row, left)
            yield from self._attribute(scope.person, test.operand.attribute, through)

    def _attribute(self, person: Row, name: str, through: Row | None) -> Iterator[Reason]:
        """The lookup or relation behind a declared attribute, and the row of the relation that made the test true."""
        declared = None if self._people is None else self._people.declared(name)
        if isinstance(declared, LookupAttribute) and declared.path.lookups:
            found, _ = self.lookup(person, Path(declared.path.lookups))
            yield Reason(Kind.LOOKUP, found.truth, name=name, says=found.says, at=declared.at, key=found.key)
        elif isinstance(declared, RelationAttribute):
            key = "" if through is None else key_of(through)
            says = f"from {declared.table}" + (f", row {key}" if key else "")
            yield Reason(Kind.RELATION, True, name=name, says=says, at=declared.at, key=key)

    # -- groups --------------------------------------------------------------------------------------------------------

    def _group(self, person: Row, name: str, people: People) -> Reason:
        """Whether somebody is in a group: by criteria or listed, and active where that is asked."""
        member = people.is_member(person, (name,))
        group = people.group(name)
        ways: list[Reason] = []
        if group.criteria is not None:
            parts = (self.why(group.criteria, person_scope(person)),)
            ways.append(every(Kind.CRITERIA, parts, at=group.criteria.at))
        if group.members is not None:
            listed = people.is_listed(person, group)
            source = "by key" if isinstance(group.members, MemberKeys) else f"in {group.members.table}"
            ways.append(Reason(Kind.LISTED, listed, says=source, at=group.members.at))
        inside = some(Kind.ANY, tuple(ways))
        parts = (inside,) if group.include_inactive else (self.active(person, people), inside)
        reason = every(Kind.GROUP, parts, name=name, at=group.at, key=key_of(person))
        assert reason.truth is member
        return reason

    def active(self, person: Row, people: People) -> Reason:
        """Whether somebody is active: known not to be erased, and known to be active."""
        viewers = people.viewers
        parts: list[Reason] = []
        if viewers.erased is not None:
            erased = self.why(viewers.erased, person_scope(person))
            parts.append(Reason(Kind.ERASED, not3(erased.truth), Join.NOT, at=viewers.erased.at, parts=(erased,)))
        if viewers.active is not None:
            parts.append(self.why(viewers.active, person_scope(person)))
        at = viewers.at if viewers.active is None else viewers.active.at
        return every(Kind.ACTIVE, tuple(parts), at=at, key=key_of(person))


def _shown(found: Found | None) -> str:
    """What was compared, in words."""
    match found:
        case None:
            return "unknown"
        case One(value=value):
            return "null" if value is None else _text(value)
        case Many(values=values):
            if values is None:
                return "null"
            shown = sorted(_text(value) for value in values)
            more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
            return f"[{', '.join(shown[:_SHOWN])}]{more}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).rstrip(" ")
