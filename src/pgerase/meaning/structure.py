"""What resources are to each other, whoever asks: parents, openness, requirements passed on, roles named by rules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from pgerase.catalog.model import Name, Table
from pgerase.errors import PgeraseError
from pgerase.meaning.columns import check_columns
from pgerase.meaning.conditions import names_viewer, walk
from pgerase.meaning.paths import Facts, Lookup
from pgerase.rules.access import (
    AccessRules,
    Expression,
    ExpressionAnd,
    ExpressionOr,
    Inherit,
    Requirement,
    Resource,
    Rule,
    Term,
)
from pgerase.rules.conditions import Action, All, AnyOf, Can, Condition, IsRole

OWN = "own"
"""The name of a resource's own rules in a `combine` expression."""


@dataclass(frozen=True, slots=True, eq=False)
class Parent:
    """A parent and the lookup that leads to it."""

    resource: Resource
    lookup: Lookup


def parent_action(action: Action) -> Action:
    """What a viewer must be allowed to do to the parent: read for read, update for any write (points 13 and 15)."""
    return Action.READ if action is Action.READ else Action.UPDATE


class Structure:
    """The resources of one rule file, bound to their tables."""

    def __init__(self, rules: AccessRules, facts: Facts) -> None:
        """Raises PgeraseError for what has no meaning: circles, undecided lookups, roles beside other conditions."""
        self._facts = facts
        self._resources = {resource.name: resource for resource in rules.resources}
        self._tables: dict[str, Table] = {}
        self._by_table: dict[Name, Resource] = {}
        for resource in rules.resources:
            table = facts.table(resource.table)
            if table.name in self._by_table or self._resources[resource.name] is not resource:
                raise PgeraseError(f"{resource.at}: resource {resource.name} or its table is given twice")
            self._tables[resource.name] = table
            self._by_table[table.name] = resource
        self._parents = {resource.name: tuple(self._find_parents(resource)) for resource in rules.resources}
        self._refuse_circles()
        self._requirements: dict[str, tuple[Requirement, ...]] = {}
        self._open: dict[tuple[str, Action], bool] = {}
        for resource in rules.resources:
            self._check_rules(resource)
            self._check_expressions(resource)
            check_columns(resource, self._tables[resource.name])

    def resource(self, name: str) -> Resource:
        """The resource of that name. Raises PgeraseError where there is none."""
        if name not in self._resources:
            raise PgeraseError(f"there is no resource {name}")
        return self._resources[name]

    def table(self, resource: Resource) -> Table:
        """The resource's table."""
        return self._tables[resource.name]

    def resource_of(self, table: Table) -> Resource:
        """The resource of that table, whatever its mode (point 23). Raises PgeraseError where it has none."""
        if table.name not in self._by_table:
            raise PgeraseError(f"{table.name} is asked for a decision and is no resource")
        return self._by_table[table.name]

    def found(self, table: Table) -> Resource | None:
        """The resource of a table; None where it is none."""
        return self._by_table.get(table.name)

    # -- parents -------------------------------------------------------------------------------------------------------

    def parents(self, resource: Resource) -> tuple[Parent, ...]:
        """Parents through `inherits` in the order of the file, then through the parents' `passes_on` (point 19)."""
        return self._parents[resource.name]

    def is_open(self, resource: Resource, action: Action) -> bool:
        """open(R, a) of point 13."""
        memo = (resource.name, action)
        if memo not in self._open:
            above = parent_action(action)
            self._open[memo] = resource.everyone.covers(action) and all(
                self.is_open(parent.resource, above) for parent in self.parents(resource)
            )
        return self._open[memo]

    def _find_parents(self, resource: Resource) -> Iterator[Parent]:
        table = self.table(resource)
        named = {inherit.parent for inherit in resource.inherits}
        if len(named) != len(resource.inherits):
            raise PgeraseError(f"{resource.at}: resource {resource.name} inherits one parent twice")
        for inherit in resource.inherits:
            yield self._declared_parent(table, inherit)
        for other in self._resources.values():
            if not other.passes_on or other.name in named or other is resource:
                continue
            lookups = self.lookups_between(resource, other)
            if len(lookups) > 1:
                raise PgeraseError(
                    f"{resource.at}: {resource.name} has several lookups to {other.name}: inherits must say which"
                )
            for lookup in lookups:
                yield Parent(other, lookup)

    def _declared_parent(self, table: Table, inherit: Inherit) -> Parent:
        parent = self.resource(inherit.parent)
        lookup = self._facts.lookup(table, inherit.step)
        if lookup.target != self.table(parent).name:
            raise PgeraseError(f"{inherit.at}: {table.name}.{inherit.step} does not lead to {self.table(parent).name}")
        return Parent(parent, lookup)

    def lookups_between(self, child: Resource, parent: Resource) -> tuple[Lookup, ...]:
        """Every lookup of the child's table to the parent's."""
        target = self.table(parent).name
        return tuple(lookup for lookup in self._facts.lookups(self.table(child)) if lookup.target == target)

    # -- requirements --------------------------------------------------------------------------------------------------

    def requirements(self, resource: Resource) -> tuple[Requirement, ...]:
        """Its own requirements and those that parents pass on, however far from above, each once (point 18)."""
        if resource.name not in self._requirements:
            found = list(resource.require)
            for parent in self.parents(resource):
                found += [passed for passed in self._passed_on(parent.resource) if not _is_among(passed, found)]
            self._requirements[resource.name] = tuple(found)
        return self._requirements[resource.name]

    def carriers(self, resource: Resource, requirement: Requirement) -> tuple[Resource, ...]:
        """The parents from which that requirement comes, each once."""
        parents = {parent.resource.name: parent.resource for parent in self.parents(resource)}
        return tuple(parent for parent in parents.values() if _is_among(requirement, self._passed_on(parent)))

    def _passed_on(self, resource: Resource) -> list[Requirement]:
        return [requirement for requirement in self.requirements(resource) if requirement.passes_on]

    # -- what has no meaning -------------------------------------------------------------------------------------------

    def _refuse_circles(self) -> None:
        graph = {name: set(self._asked_by(resource)) for name, resource in self._resources.items()}
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            raise PgeraseError(f"resources refer to each other in a circle: {' → '.join(error.args[1])}") from error

    def _asked_by(self, resource: Resource) -> Iterator[str]:
        """The resources whose decisions this one's ask for: parents, and `{can: …}` wherever it stands."""
        for parent in self.parents(resource):
            yield parent.resource.name
        conditions: list[Condition | None] = [requirement.rows for requirement in resource.require]
        for rule in resource.rules:
            conditions += [rule.rows, rule.becomes]
        for entry in resource.columns:
            conditions += [grant.rows for grant in (entry.read, entry.insert, entry.update) if grant is not None]
        for condition in conditions:
            for node in walk(condition):
                if isinstance(node, Can):
                    yield self.resource_of(self._facts.target(self.table(resource), node.path.steps)).name

    def _check_rules(self, resource: Resource) -> None:
        for rule in resource.rules:
            roles = _roles(rule.who)
            if roles is None and any(isinstance(node, IsRole) for node in walk(rule.who)):
                raise PgeraseError(f"{rule.at}: a rule for a role names nothing else in `who`")
            if roles is not None and (names_viewer(rule.rows) or names_viewer(rule.becomes)):
                raise PgeraseError(f"{rule.at}: a rule for a role cannot speak of the viewer")

    def _check_expressions(self, resource: Resource) -> None:
        known = {OWN} | {parent.resource.name for parent in self.parents(resource)}
        for entry in resource.combine:
            for term in _terms(entry.expression):
                if term.name not in known:
                    raise PgeraseError(f"{term.at}: {term.name} is neither own nor a parent of {resource.name}")


def roles_of(rule: Rule) -> tuple[str, ...] | None:
    """The roles a rule is for; None where it is for people (point 11)."""
    return _roles(rule.who)


def _roles(who: Condition | None) -> tuple[str, ...] | None:
    while isinstance(who, All | AnyOf) and len(who.terms) == 1:
        who = who.terms[0]
    return who.names if isinstance(who, IsRole) else None


def _terms(expression: Expression) -> Iterator[Term]:
    match expression:
        case Term():
            yield expression
        case ExpressionAnd(parts=parts) | ExpressionOr(parts=parts):
            for part in parts:
                yield from _terms(part)


def _is_among(requirement: Requirement, others: list[Requirement]) -> bool:
    """By identity: two requirements may be alike in every word and still be two resources'."""
    return any(requirement is other for other in others)
