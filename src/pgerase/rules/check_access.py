"""What the parts of `access.yaml` must hold together, as far as no database is needed to see it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain
from typing import Protocol

from pgerase.errors import Position
from pgerase.rules import access
from pgerase.rules.access import AccessRules, Everyone, RelationAttribute, Resource, Rule, Viewers
from pgerase.rules.conditions import Can, Condition, HasConsent, InGroup, IsRole, ViewerRef, operands, walk
from pgerase.rules.names import TableName
from pgerase.rules.reading import Reading, nearest

_RESERVED_RESOURCES = frozenset({"own", "and", "or", "not", "consent", "restriction", "support"})
_LONGEST_NAME = 63


class _Named(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def at(self) -> Position: ...


def check_role_rule(rule: Rule, reading: Reading) -> None:
    """A rule for a role has no person: its rows name no viewer and no decision of one."""
    for key, condition in (("rows", rule.rows), ("becomes", rule.becomes)):
        if condition is None:
            continue
        for operand in operands(condition):
            if isinstance(operand, ViewerRef):
                reading.error(
                    "viewer-in-role-rule", f"{key} of a rule for a role cannot name a viewer: there is none", operand.at
                )
        for part in walk(condition):
            if isinstance(part, Can):
                reading.error(
                    "can-in-role-rule", f"{key} of a rule for a role cannot ask what a viewer can do", part.at
                )
            if isinstance(part, HasConsent):
                reading.error(
                    "consent-in-role-rule", f"{key} of a rule for a role cannot ask for a person's consent", part.at
                )


def check_viewers(viewers: Viewers, reading: Reading) -> None:
    """Attributes have names of their own, and relations do not use each other in a circle."""
    _unique("attribute", viewers.attributes, reading)
    for attribute in viewers.attributes:
        if attribute.name == "key":
            reading.error(
                "reserved-word", "{viewer: key} is the viewer's key; call the attribute something else", attribute.at
            )
    relations = {item.name: item for item in viewers.attributes if isinstance(item, RelationAttribute)}
    uses = {
        name: [operand.attribute for operand in operands(item.where) if isinstance(operand, ViewerRef)]
        if item.where
        else []
        for name, item in relations.items()
    }
    for circle in find_circles(uses):
        message = f"relations use each other in a circle: {' → '.join(circle)}"
        reading.error("attribute-circle", message, relations[circle[0]].at)


def check(rules: AccessRules, reading: Reading) -> None:
    """Everything that needs the whole file; see the functions below."""
    conditions = list(_conditions(rules))
    check_conditions(rules, conditions, reading)
    _check_viewers_given(rules, reading)
    _check_tables(rules, reading)
    known = {resource.name for resource in rules.resources}
    passing = {resource.name for resource in rules.resources if resource.passes_on}
    for resource in rules.resources:
        with reading.within("resources"), reading.within(resource.name):
            _check_resource(resource, known, passing, reading)
    for aggregate in rules.aggregates:
        with reading.within("aggregates"), reading.within(aggregate.name):
            _check_aggregate(aggregate, known, reading)
    for circle in find_circles({item.name: [parent.parent for parent in item.inherits] for item in rules.resources}):
        message = f"resources inherit from each other in a circle: {' → '.join(circle)}"
        reading.error(
            "inherit-circle", message, rules.resource(circle[0]).at, "at least one of them has to stand by itself"
        )


def _conditions(rules: AccessRules) -> Iterator[Condition]:
    """Every condition of the file that may name groups or attributes."""
    if rules.viewers is not None:
        viewers = rules.viewers
        wheres = [item.where for item in viewers.attributes if isinstance(item, RelationAttribute)]
        yield from _given(viewers.active, viewers.erased, viewers.super_admin, *wheres)
    yield from _given(*(group.criteria for group in rules.groups), *(item.who for item in rules.authority))
    yield from _given(*(group.managed_by.who for group in rules.groups if group.managed_by is not None))
    for aggregate in rules.aggregates:
        yield from _given(aggregate.who, aggregate.rows)
    for resource in rules.resources:
        for rule in resource.rules:
            yield from _given(rule.who, rule.rows, rule.becomes)
        for requirement in resource.require:
            yield from _given(requirement.who, requirement.rows)
        yield from _given(*(entry.who for entry in resource.combine))
        for right in resource.columns:
            for grant in (right.read, right.insert, right.update):
                if grant is not None:
                    yield from _given(grant.who, grant.rows)


def _given(*conditions: Condition | None) -> Iterator[Condition]:
    return (condition for condition in conditions if condition is not None)


def check_conditions(rules: AccessRules, conditions: Collection[Condition], reading: Reading) -> None:
    """The groups and relations that conditions name, in this file or beside it, are those of the access rules."""
    _check_groups(rules, conditions, reading)
    _check_narrowing(rules, conditions, reading)


def _check_groups(rules: AccessRules, conditions: Iterable[Condition], reading: Reading) -> None:
    known = {group.name for group in rules.groups}
    for part in chain.from_iterable(walk(condition) for condition in conditions):
        if isinstance(part, InGroup):
            for name in part.names:
                if name not in known:
                    hint = nearest(name, known) or "groups are declared under groups:"
                    reading.error("unknown-group", f"there is no group {name}", part.at, hint)


def _check_narrowing(rules: AccessRules, conditions: Iterable[Condition], reading: Reading) -> None:
    """`{viewer: x, where: …}` narrows the rows of a relation, so x has to be one."""
    attributes = rules.viewers.attributes if rules.viewers else ()
    relations = {item.name for item in attributes if isinstance(item, RelationAttribute)}
    for operand in chain.from_iterable(operands(condition) for condition in conditions):
        if isinstance(operand, ViewerRef) and operand.where is not None and operand.attribute not in relations:
            hint = nearest(operand.attribute, relations) or "relations are declared under viewers.attributes"
            reading.error(
                "not-a-relation", f"{operand.attribute} is no relation, so where cannot narrow it", operand.at, hint
            )


def _check_viewers_given(rules: AccessRules, reading: Reading) -> None:
    if rules.viewers is not None:
        return
    hint = "viewers: {table: …, key: …, identity: …}"
    for group in rules.groups:
        reading.error("no-viewers", f"the group {group.name} needs viewers, and there are none", group.at, hint)
    for aggregate in rules.aggregates:
        message = f"the aggregate {aggregate.name} is for viewers, and there are none"
        reading.error("no-viewers", message, aggregate.at, hint)
    for resource in rules.resources:
        if resource.everyone is not Everyone.NONE:
            message = f"everyone: {resource.everyone} is for active viewers, and there are none"
            reading.error("no-viewers", message, resource.at, hint)
        for rule in resource.rules:
            if not isinstance(rule.who, IsRole):
                message = f"the rule {rule.name} is for viewers, and there are none"
                reading.error("no-viewers", message, rule.at, hint)
        for handed in resource.hand_over:
            message = f"{handed.column} is handed over to viewers, and there are none"
            reading.error("no-viewers", message, handed.at, hint)
        for entry in (*resource.require, *resource.combine):
            if entry.who is not None:
                message = f"who of {entry.name} is about viewers, and there are none"
                reading.error("no-viewers", message, entry.at, hint)


def _check_tables(rules: AccessRules, reading: Reading) -> None:
    first: dict[TableName, Resource] = {}
    for resource in rules.resources:
        other = first.setdefault(resource.table, resource)
        if other is not resource:
            message = f"{resource.table} is governed by {other.name} already: a table has one resource"
            reading.error("duplicate-table", message, resource.at, f"put the rules into {other.name}")


def _check_resource(resource: Resource, known: set[str], passing: set[str], reading: Reading) -> None:
    if resource.name in _RESERVED_RESOURCES:
        reading.error("reserved-word", f"{resource.name} is reserved and no name for a resource", resource.at)
    _unique("rule or requirement", (*resource.rules, *resource.require), reading)
    _unique("entry of combine", resource.combine, reading)
    for parent in resource.inherits:
        if parent.parent not in known:
            hint = nearest(parent.parent, known - {resource.name})
            reading.error("unknown-resource", f"there is no resource {parent.parent}", parent.at, hint)
    for entry in resource.combine[:-1]:
        if entry.who is None:
            message = f"{entry.name} holds for everybody, so what follows is never reached"
            reading.error("unreachable", message, entry.at, "put the entry without who last")
    given: set[str] = set()
    for handed in resource.hand_over:
        if handed.column in given:
            reading.error("duplicate-name", f"{handed.column} is handed over twice", handed.at)
        given.add(handed.column)
    if not resource.combine:
        return
    # Whether a passing resource is a parent here shows only in the catalog: it is one through a foreign key.
    parents = {parent.parent for parent in resource.inherits} | (passing - {resource.name})
    for entry in resource.combine:
        for term in _terms(entry.expression):
            if term.name not in parents | {"own"}:
                hint = nearest(term.name, parents | {"own"})
                reading.error(
                    "unknown-term", f"{term.name} is neither own nor a parent of {resource.name}", term.at, hint
                )


def _check_aggregate(aggregate: access.Aggregate, known: set[str], reading: Reading) -> None:
    if aggregate.resource not in known:
        hint = nearest(aggregate.resource, known)
        reading.error("unknown-resource", f"there is no resource {aggregate.resource}", aggregate.at, hint)
    columns = (*aggregate.by, *aggregate.values)
    _unique("column of an aggregate", columns, reading)
    for name, at in ((aggregate.name, aggregate.at), *((column.name, column.at) for column in columns)):
        if len(name.encode()) > _LONGEST_NAME:
            message = f"{name} is longer than the {_LONGEST_NAME} bytes that a view's or column's name may have"
            reading.error("long-name", message, at)


def _terms(expression: access.Expression) -> Iterator[access.Term]:
    if isinstance(expression, access.Term):
        yield expression
    else:
        for part in expression.parts:
            yield from _terms(part)


def _unique(what: str, items: Iterable[_Named], reading: Reading) -> None:
    first: dict[str, Position] = {}
    for item in items:
        if item.name in first:
            hint = f"the first is at {first[item.name]}"
            reading.error("duplicate-name", f"there are two of the name {item.name} ({what})", item.at, hint)
        else:
            first[item.name] = item.at


def find_circles(edges: Mapping[str, list[str]]) -> list[list[str]]:
    """A circle for every edge that closes one, its first name repeated at the end. Iterative: chains may be long."""
    circles: list[list[str]] = []
    done: set[str] = set()
    for start in edges:
        if start in done:
            continue
        path = [start]
        pending = [iter(edges[start])]
        while path:
            target = next(pending[-1], None)
            if target is None:
                done.add(path.pop())
                pending.pop()
            elif target in path:
                circles.append([*path[path.index(target) :], target])
            elif target in edges and target not in done:
                path.append(target)
                pending.append(iter(edges[target]))
    return circles
