"""Binds access rules to a catalog: every name becomes a table, a column or a lookup, every literal a typed one.

All problems are collected as findings; binding goes on past each of them so that a file is reported whole.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from pgerase.catalog.model import Catalog, Column, Name, Table
from pgerase.compile import bound
from pgerase.compile.bound import Hop, Side
from pgerase.compile.graph import find_circle, in_dependency_order
from pgerase.compile.types import ValueType, key_from_text, literal, type_of
from pgerase.errors import Finding, Position, Severity
from pgerase.rules import access, conditions
from pgerase.rules.access import AccessRules
from pgerase.rules.conditions import Action, Operator
from pgerase.rules.names import BackStep, Path, Step, TableName

T = TypeVar("T")

_ORDERED = {Operator.LT, Operator.LE, Operator.GT, Operator.GE, Operator.BETWEEN}
_SUBSTRING = {Operator.CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH}
_NULL_TESTS = {Operator.IS_NULL, Operator.IS_SET}


class _Unbound(Exception):
    """Something could not be bound; the finding is recorded, whoever can go on without it catches this."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """Where a condition stands: whose attributes bare names are, and what else may be named."""

    side: Side
    table: Table
    person: bool = False
    row: Table | None = None
    can: bool = False


def bind(rules: AccessRules, catalog: Catalog) -> tuple[bound.BoundRules, tuple[Finding, ...]]:
    """Bind access rules. What could not be bound is left out of the result and named in the findings."""
    binder = _Binder(rules, catalog)
    return binder.bind(), tuple(binder.findings)


class _Binder:
    def __init__(self, rules: AccessRules, catalog: Catalog) -> None:
        self.rules = rules
        self.catalog = catalog
        self.findings: list[Finding] = []
        self.viewers_table: Table | None = None
        self.relations: dict[str, bound.Relation] = {}
        self.relations_open: list[str] = []
        self.attributes: dict[str, access.Attribute] = {}
        self.references: list[tuple[Name, Hop]] = []
        self.tables: dict[str, Table] = {}

    # Findings -----------------------------------------------------------------------------------------------------

    def fail(self, code: str, subject: str, message: str, at: Position, hint: str = "") -> _Unbound:
        self.findings.append(Finding(code, Severity.ERROR, subject, message, hint, at))
        return _Unbound()

    def warn(self, code: str, subject: str, message: str, at: Position, hint: str = "") -> None:
        self.findings.append(Finding(code, Severity.WARNING, subject, message, hint, at))

    def not_yet(self, what: str, at: Position) -> _Unbound:
        return self.fail("not-compiled-yet", what, f"{what}: this release reads but does not compile it", at)

    def attempt(self, make: Callable[[], T]) -> T | None:
        """The result, or None where a finding was recorded instead."""
        try:
            return make()
        except _Unbound:
            return None

    # Names --------------------------------------------------------------------------------------------------------

    def table(self, name: TableName, at: Position) -> Table:
        found = [
            t for t in self.catalog.tables.values() if t.name.name == name.name and name.schema in (None, t.name.schema)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            choices = ", ".join(sorted(str(t.name) for t in found))
            raise self.fail(
                "ambiguous-table", str(name), f"table {name} exists more than once: {choices}", at, "Name the schema."
            )
        view = next(
            (
                v
                for v in self.catalog.views.values()
                if v.name.name == name.name and name.schema in (None, v.name.schema)
            ),
            None,
        )
        if view is not None:
            raise self.fail("not-a-table", str(name), f"{view.name} is a view; rules stand on tables", at)
        near = _nearest(str(name), [str(t) for t in self.catalog.tables])
        raise self.fail("unknown-table", str(name), f"there is no table {name} in this database", at, near)

    def column(self, table: Table, name: str, at: Position) -> Column:
        column = table.column(name)
        if column is None:
            near = _nearest(name, [c.name for c in table.columns])
            raise self.fail("unknown-column", f"{table.name}.{name}", f"{table.name} has no column {name}", at, near)
        return column

    def hop(self, table: Table, step: Step | BackStep, at: Position) -> Hop:
        if isinstance(step, BackStep):
            raise self.fail("backward-step", str(step), "access rules follow lookups forwards only", at)
        for name in step.columns:
            self.column(table, name, at)
        # Exactly these columns, else the only lookup that uses them among others (28).
        exact = dict.fromkeys(self.lookups_of(table, step.columns))
        candidates = exact or dict.fromkeys(
            hop for hop in self.lookups_of(table) if set(step.columns) < set(hop.columns)
        )
        if len(candidates) == 1:
            return next(iter(candidates))
        label = f"{table.name}.{step}"
        if candidates:
            targets = ", ".join(sorted(f"{hop.target}({', '.join(hop.target_columns)})" for hop in candidates))
            raise self.fail("ambiguous-lookup", label, f"{label} is a lookup to more than one place: {targets}", at)
        hint = "Declare it under references: if the column points somewhere."
        raise self.fail("not-a-lookup", label, f"{label} is in no foreign key and no reference", at, hint)

    def lookups_of(self, table: Table, columns: tuple[str, ...] | None = None) -> Iterable[Hop]:
        """Every lookup of a table; with `columns`, those through exactly these columns, in whatever order declared."""
        for fk in table.foreign_keys:
            if columns is None:
                yield _ordered_hop(Hop(fk.columns, fk.target, fk.target_columns), fk.columns)
            elif sorted(fk.columns) == sorted(columns):
                yield _ordered_hop(Hop(fk.columns, fk.target, fk.target_columns), columns)
        for source, hop in self.references:
            if source == table.name and (columns is None or sorted(hop.columns) == sorted(columns)):
                yield _ordered_hop(hop, columns or hop.columns)

    def follow(self, table: Table, steps: Iterable[Step | BackStep], at: Position) -> tuple[tuple[Hop, ...], Table]:
        hops: list[Hop] = []
        for step in steps:
            hop = self.hop(table, step, at)
            hops.append(hop)
            table = self.catalog.tables[hop.target]
        return tuple(hops), table

    def path(self, side: Side, table: Table, path: Path, at: Position) -> bound.ColumnValue:
        hops, end = self.follow(table, path.lookups, at)
        last = path.steps[-1]
        if isinstance(last, BackStep) or len(last.columns) != 1:
            raise self.fail("not-a-column", str(path), f"{path} does not end in a single column", at)
        column = self.column(end, last.columns[0], at)
        return bound.ColumnValue(side, hops, column.name, type_of(column))

    # Attributes of people ---------------------------------------------------------------------------------------

    def person_value(self, name: str, at: Position, narrowed: bound.BoundCondition = bound.HOLDS) -> bound.Value:
        table = self.people_table(at)
        if name == "key":
            assert self.rules.viewers is not None
            column = self.column(table, self.rules.viewers.key, self.rules.viewers.at)
            return bound.ColumnValue(Side.PERSON, (), column.name, type_of(column))
        declared = self.attributes.get(name)
        if isinstance(declared, access.RelationAttribute):
            return bound.RelationValue(self.relation(declared), narrowed)
        if narrowed != bound.HOLDS:
            raise self.fail("where-without-relation", name, f"{name} is no relation, so `where` cannot narrow it", at)
        if isinstance(declared, access.LookupAttribute):
            return self.path(Side.PERSON, table, declared.path, declared.at)
        column = table.column(name)
        if column is None:
            known = [*self.attributes, *(c.name for c in table.columns)]
            hint = _nearest(name, known) or "Lookups and relations are declared under viewers.attributes."
            raise self.fail("unknown-attribute", name, f"viewers have no attribute {name}", at, hint)
        return bound.ColumnValue(Side.PERSON, (), column.name, type_of(column))

    def people_table(self, at: Position) -> Table:
        if self.viewers_table is None:
            raise self.fail("no-viewers", "viewers", "this needs a viewers section that can be bound", at)
        return self.viewers_table

    def relation(self, declared: access.RelationAttribute) -> bound.Relation:
        if declared.name in self.relations:
            return self.relations[declared.name]
        if declared.name in self.relations_open:
            circle = " → ".join([*self.relations_open, declared.name])
            raise self.fail(
                "circular-relation", declared.name, f"relations use each other in a circle: {circle}", declared.at
            )
        self.relations_open.append(declared.name)
        try:
            table = self.table(declared.table, declared.at)
            column = self.column(table, declared.value, declared.at)
            where = self.condition(declared.where, _Scope(Side.MEMBER, table, person=True))
            below = None
            if declared.below is not None:
                tree = self.table(declared.below.table, declared.at)
                if len(tree.primary_key) != 1 or len(declared.below.columns) != 1:
                    raise self.fail(
                        "tree-without-key",
                        str(tree.name),
                        f"`below` needs {tree.name} to have a primary key of one column",
                        declared.at,
                    )
                self.column(tree, declared.below.columns[0], declared.at)
                below = bound.Below(tree.name, tree.primary_key[0], declared.below.columns[0])
            value = type_of(column)
            if value.many:
                raise self.fail(
                    "array-in-relation",
                    declared.name,
                    f"{declared.value} is an array; a relation has one value a row",
                    declared.at,
                )
            self.relations[declared.name] = bound.Relation(
                declared.name, table.name, where, declared.value, replace(value, many=True), below
            )
        finally:
            self.relations_open.pop()
        return self.relations[declared.name]

    # Conditions ---------------------------------------------------------------------------------------------------

    def condition(self, condition: conditions.Condition | None, scope: _Scope) -> bound.BoundCondition:
        match condition:
            case None:
                return bound.HOLDS
            case conditions.All(terms):
                return bound.BAll(self.several(terms, scope))
            case conditions.AnyOf(terms):
                return bound.BAny(self.several(terms, scope))
            case conditions.Not(term):
                return bound.BNot(self.condition(term, scope))
            case conditions.Test():
                return self.test(condition, scope)
            case conditions.InGroup(names):
                return bound.BInGroup(names)
            case conditions.Can():
                return self.can(condition, scope)
            case conditions.HasConsent(purpose, at):
                raise self.not_yet(f"consent: {purpose}", at)
            case conditions.IsRole(names, at):
                raise self.fail("role-in-condition", ", ".join(names), "`role` stands alone in a rule's `who`", at)

    def several(self, terms: tuple[conditions.Condition, ...], scope: _Scope) -> tuple[bound.BoundCondition, ...]:
        """Bind every term, so that each one's problems are reported; fail afterwards if any did."""
        made = [self.attempt(lambda term=term: self.condition(term, scope)) for term in terms]
        if any(one is None for one in made):
            raise _Unbound
        return tuple(one for one in made if one is not None)

    def can(self, condition: conditions.Can, scope: _Scope) -> bound.BoundCondition:
        if not scope.can:
            raise self.fail(
                "can-here", str(condition.path), "`can` belongs in the rows of a rule or requirement", condition.at
            )
        hops, end = self.follow(scope.table, condition.path.steps, condition.at)
        resource = next((name for name, table in self.tables.items() if table.name == end.name), None)
        if resource is None:
            raise self.fail(
                "no-resource",
                str(end.name),
                f"{condition.path} leads to {end.name}, which is no resource",
                condition.at,
            )
        return bound.BCan(hops, resource, condition.action)

    def left(self, path: Path, scope: _Scope, at: Position) -> bound.Value:
        if scope.side is Side.PERSON and len(path.steps) == 1:
            step = path.steps[0]
            if isinstance(step, Step) and len(step.columns) == 1:
                name = step.columns[0]
                # A bare `key` is a column of that name: only {viewer: key} means the viewer's key (31).
                if name == "key":
                    return self.path(Side.PERSON, scope.table, path, at)
                return self.person_value(name, at)
        return self.path(scope.side, scope.table, path, at)

    def test(self, test: conditions.Test, scope: _Scope) -> bound.BTest:
        left = self.left(test.path, scope, test.at)
        subject, operator = str(test.path), test.operator
        if operator in _NULL_TESTS:
            if isinstance(left, bound.RelationValue):
                raise self.fail("null-relation", subject, f"{subject} is a relation: a set, never null", test.at)
            return bound.BTest(left, operator, None)
        self.check_operator(left.type, operator, subject, test.at)
        if operator is Operator.BETWEEN:
            assert isinstance(test.operand, conditions.Range)
            low = self.operand(test.operand.low, left.type, operator, scope, subject)
            high = self.operand(test.operand.high, left.type, operator, scope, subject)
            if low.type.many or high.type.many:
                raise self.fail("many-in-between", subject, "between needs one low and one high value", test.at)
            return bound.BTest(left, operator, (low, high))
        assert test.operand is not None
        right = self.operand(test.operand, left.type, operator, scope, subject)
        if operator is Operator.OVERLAPS and not (left.type.many or right.type.many):
            raise self.fail("overlaps-of-single", subject, "overlaps needs many values on one side", test.at)
        return bound.BTest(left, operator, right)

    def check_operator(self, wanted: ValueType, operator: Operator, subject: str, at: Position) -> None:
        if operator in _ORDERED:
            if not wanted.is_ordered:
                raise self.fail("unordered-type", subject, f"{operator} is not defined for {wanted.base}", at)
            if wanted.is_text and not wanted.collation_is_c:
                raise self.fail(
                    "collation", subject, f"{operator} on text needs collation C; another language's order may hide rows", at,
                    'Give the column collation "C", or compare with eq and in.',
                )  # fmt: skip
        elif not wanted.collation_deterministic:
            raise self.fail("collation", subject, f"{operator} needs a deterministic collation", at)
        if operator in _SUBSTRING and not wanted.is_text and not (operator is Operator.CONTAINS and wanted.many):
            raise self.fail(
                "not-text",
                subject,
                f"{operator} is for text{' and arrays' if operator is Operator.CONTAINS else ''}",
                at,
            )

    def operand(
        self, operand: conditions.Operand, wanted: ValueType, operator: Operator, scope: _Scope, subject: str
    ) -> bound.Value:
        match operand:
            case conditions.Literal():
                return bound.Constant((self.literal(operand, wanted, subject),), wanted.one())
            case conditions.LiteralList(items):
                made = tuple(self.literal(item, wanted, subject) for item in items)
                return bound.Constant(made, replace(wanted, many=True))
            case conditions.ViewerRef(attribute, where, at):
                if not scope.person and scope.side is not Side.PERSON:
                    raise self.fail("viewer-here", attribute, "{viewer: …} has no meaning here", at)
                narrowed = bound.HOLDS
                declared = self.attributes.get(attribute)
                if where is not None:
                    if not isinstance(declared, access.RelationAttribute):
                        raise self.fail(
                            "where-without-relation",
                            attribute,
                            f"{attribute} is no relation, so `where` cannot narrow it",
                            at,
                        )
                    table = self.table(declared.table, declared.at)
                    narrowed = self.condition(where, _Scope(Side.MEMBER, table, person=True, row=scope.row))
                return self.comparable(self.person_value(attribute, at, narrowed), wanted, operator, subject, at)
            case conditions.RowRef(path, at):
                if scope.row is None:
                    raise self.fail("row-here", str(path), "{row: …} has no meaning here", at)
                return self.comparable(self.path(Side.ROW, scope.row, path, at), wanted, operator, subject, at)
            case conditions.RelativeTime():
                if not wanted.is_time:
                    raise self.fail(
                        "not-a-time",
                        subject,
                        f"{subject} is {wanted.base}; ago and ahead need a date or timestamp",
                        operand.at,
                    )
                return bound.Moment(_moment(operand, wanted), wanted.one())
            case conditions.SubjectRef(at):
                raise self.fail("subject-here", subject, "{subject: key} belongs in data maps", at)
            case conditions.Range(at=at):
                raise self.fail("range-here", subject, f"{operator} does not take two values", at)

    def comparable(
        self, value: bound.Value, wanted: ValueType, operator: Operator, subject: str, at: Position
    ) -> bound.Value:
        if value.type.family != wanted.family:
            raise self.fail(
                "type-mismatch", subject, f"{subject} is {wanted.base}, compared with {value.type.base}", at
            )
        if not value.type.collation_deterministic:
            raise self.fail("collation", subject, "comparing needs a deterministic collation on both sides", at)
        if operator in _ORDERED and value.type.is_text and not value.type.collation_is_c:
            raise self.fail("collation", subject, f"{operator} on text needs collation C on both sides", at)
        return value

    def literal(self, value: conditions.Literal, wanted: ValueType, subject: str) -> str:
        made = literal(value.value, wanted)
        if made is None:
            raise self.fail(
                "bad-literal", subject, f"{value.value!r} is no {wanted.base}, which {subject} is", value.at
            )
        return made

    # The whole ----------------------------------------------------------------------------------------------------

    def bind(self) -> bound.BoundRules:
        for reference in self.rules.references:
            self.attempt(lambda reference=reference: self.bind_reference(reference))
        people = self.attempt(self.bind_people) if self.rules.viewers else None
        groups = [self.attempt(lambda group=group: self.bind_group(group)) for group in self.rules.groups]
        for resource in self.rules.resources:
            self.attempt(lambda resource=resource: self.bind_table(resource))
        resources = self.bind_resources()
        authority = [self.attempt(lambda entry=entry: self.bind_authority(entry)) for entry in self.rules.authority]
        return bound.BoundRules(
            people=people,
            groups=tuple(group for group in groups if group is not None),
            resources=resources,
            authority=tuple(entry for entry in authority if entry is not None),
            references=tuple(self.references),
        )

    def bind_reference(self, reference: access.Reference) -> None:
        source = self.table(reference.source.table, reference.at)
        target = self.table(reference.target.table, reference.at)
        for name in reference.source.columns:
            self.column(source, name, reference.at)
        for name in reference.target.columns:
            self.column(target, name, reference.at)
        if len(reference.source.columns) != len(reference.target.columns):
            raise self.fail(
                "uneven-reference",
                str(reference.source),
                "both sides of a reference need as many columns",
                reference.at,
            )
        if not _is_unique(target, reference.target.columns):
            raise self.fail(
                "reference-not-unique", str(reference.target), f"{reference.target} is not unique, so a lookup may find many rows",
                reference.at, "Add a unique constraint or unique index over exactly these columns.",
            )  # fmt: skip
        for mine, theirs in zip(reference.source.columns, reference.target.columns, strict=True):
            left, right = (
                type_of(self.column(source, mine, reference.at)),
                type_of(self.column(target, theirs, reference.at)),
            )
            if left.family != right.family or left.many or right.many:
                raise self.fail(
                    "type-mismatch",
                    str(reference.source),
                    f"{mine} is {left.base}, {theirs} is {right.base}",
                    reference.at,
                )
        self.references.append((source.name, Hop(reference.source.columns, target.name, reference.target.columns)))

    def bind_people(self) -> bound.BoundPeople:
        viewers = self.rules.viewers
        assert viewers is not None
        table = self.table(viewers.table, viewers.at)
        key = self.column(table, viewers.key, viewers.at)
        if key_from_text("x", key.base_type) is None:
            raise self.fail(
                "viewer-key-type",
                viewers.key,
                f"viewers are known by text, integers or uuid, not by {key.base_type}",
                viewers.at,
            )
        if not _is_unique(table, (key.name,)):
            raise self.fail(
                "viewer-key-not-unique",
                viewers.key,
                f"{table.name}.{key.name} is not unique: one row a person is needed",
                viewers.at,
            )
        if viewers.identity.kind in (access.IdentityKind.CLAIMS, access.IdentityKind.TOKEN):
            self.not_yet(f"identity: {viewers.identity.kind}", viewers.identity.at)
        self.viewers_table = table
        for attribute in viewers.attributes:
            self.attempt(lambda attribute=attribute: self.declare(attribute, table))
        for attribute in self.attributes.values():
            self.attempt(lambda attribute=attribute: self.person_value(attribute.name, attribute.at))
        scope = _Scope(Side.PERSON, table)
        manager = None
        if isinstance(viewers.manager, access.ManagerTree):
            raise self.not_yet("manager: {through: …}", viewers.manager.at)
        if viewers.manager is not None:
            column = self.column(table, viewers.manager.column, viewers.manager.at)
            if type_of(column).family != type_of(key).family:
                raise self.fail(
                    "type-mismatch", column.name, f"{column.name} does not hold keys of viewers", viewers.manager.at
                )
            manager = column.name
        return bound.BoundPeople(
            table=table,
            key=key,
            active=self.condition(viewers.active, scope),
            erased=None if viewers.erased is None else self.condition(viewers.erased, scope),
            super_admin=None if viewers.super_admin is None else self.condition(viewers.super_admin, scope),
            manager=manager,
            become=viewers.identity.kind is not access.IdentityKind.ROLE,
        )

    def declare(self, attribute: access.Attribute, table: Table) -> None:
        if attribute.name == "key":
            raise self.fail(
                "reserved-name", "key", "`key` is the viewer's key; give the attribute another name", attribute.at
            )
        if not isinstance(attribute, access.ColumnAttribute) and table.column(attribute.name) is not None:
            raise self.fail(
                "attribute-shadows-column", attribute.name, f"{attribute.name} is also a column of {table.name}", attribute.at,
                "Give the attribute another name.",
            )  # fmt: skip
        self.attributes[attribute.name] = attribute

    def bind_group(self, group: access.Group) -> bound.BoundGroup:
        table = self.people_table(group.at)
        assert self.rules.viewers is not None
        key = self.column(table, self.rules.viewers.key, self.rules.viewers.at)
        keys, member_table, value, where = None, None, "", bound.HOLDS
        if isinstance(group.members, access.MemberKeys):
            keys = bound.Constant(
                tuple(self.literal(one, type_of(key), f"members of {group.name}") for one in group.members.keys),
                replace(type_of(key), many=True),
            )
        elif group.members is not None:
            members = self.table(group.members.table, group.members.at)
            column = self.column(members, group.members.value, group.members.at)
            if type_of(column).family != type_of(key).family:
                raise self.fail(
                    "type-mismatch",
                    column.name,
                    f"{members.name}.{column.name} does not hold keys of viewers",
                    group.members.at,
                )
            where = self.condition(group.members.where, _Scope(Side.MEMBER, members))
            member_table, value = members.name, column.name
        criteria = None if group.criteria is None else self.condition(group.criteria, _Scope(Side.PERSON, table))
        return bound.BoundGroup(group.name, criteria, keys, member_table, value, where, group.include_inactive)

    def bind_table(self, resource: access.Resource) -> None:
        table = self.table(resource.table, resource.at)
        if table.kind == "f":
            raise self.fail(
                "foreign-table",
                str(table.name),
                f"{table.name} is a foreign table: PostgreSQL has no policies for it",
                resource.at,
            )
        if table.is_partition:
            raise self.fail(
                "partition",
                str(table.name),
                f"{table.name} is a partition; rules stand on the partitioned table",
                resource.at,
            )
        taken = next((name for name, other in self.tables.items() if other.name == table.name), None)
        if taken is not None:
            raise self.fail(
                "two-resources", resource.name, f"{table.name} is already the table of resource {taken}", resource.at
            )
        self.tables[resource.name] = table

    def bind_resources(self) -> tuple[bound.BoundResource, ...]:
        drafts: dict[str, bound.BoundResource] = {}
        for resource in self.rules.resources:
            if resource.name in self.tables:
                draft = self.attempt(lambda resource=resource: self.bind_resource(resource))
                if draft is not None:
                    drafts[resource.name] = draft
        needs = {name: _needed(draft) for name, draft in drafts.items()}
        circle = find_circle(needs)
        if circle:
            at = drafts[circle[0]].at
            named = " → ".join(circle)
            self.fail("circle", circle[0], f"resources refer to each other in a circle: {named}", at)
            return ()
        finished: dict[str, bound.BoundResource] = {}
        for name in in_dependency_order(needs):
            if name in drafts and all(parent in finished for parent in needs[name]):
                finished[name] = self.finish(drafts[name], finished)
        return tuple(finished.values())

    def bind_resource(self, resource: access.Resource) -> bound.BoundResource:
        table = self.tables[resource.name]
        for right in resource.columns:
            self.not_yet(f"columns of {resource.name}: {right.column}", right.at)
        rules = [self.attempt(lambda rule=rule: self.bind_rule(rule, table)) for rule in resource.rules]
        requirements = [self.attempt(lambda one=one: self.bind_requirement(one, table)) for one in resource.require]
        parents = self.parents(resource, table)
        names = [parent.resource for parent in parents]
        combine = [
            self.attempt(lambda entry=entry: self.bind_combine(entry, resource, names)) for entry in resource.combine
        ]
        covered = frozenset(action for action in Action if resource.everyone.covers(action))
        return bound.BoundResource(
            name=resource.name,
            table=table,
            open=covered,
            rules=tuple(rule for rule in rules if rule is not None),
            requirements=tuple(one for one in requirements if one is not None),
            parents=parents,
            combine=tuple(entry for entry in combine if entry is not None),
            at=resource.at,
        )

    def bind_rule(self, rule: access.Rule, table: Table) -> bound.BoundRule:
        who, roles = rule.who, ()
        if isinstance(who, conditions.All) and len(who.terms) == 1:
            who = who.terms[0]
        if isinstance(who, conditions.IsRole):
            who, roles = None, who.names
            for name in roles:
                if name not in self.catalog.roles:
                    raise self.fail(
                        "unknown-role",
                        name,
                        f"there is no role {name}",
                        rule.at,
                        _nearest(name, list(self.catalog.roles)),
                    )
        row_scope = _Scope(Side.ROW, table, person=not roles, row=table, can=not roles)
        made_who = bound.HOLDS
        if not roles:
            made_who = self.condition(who, _Scope(Side.PERSON, self.people_table(rule.at)))
        rows = self.condition(rule.rows, row_scope)
        becomes = rows if rule.becomes is None else self.condition(rule.becomes, row_scope)
        return bound.BoundRule(rule.name, roles, made_who, rows, becomes, rule.can, rule.hierarchy, rule.at)

    def bind_requirement(self, requirement: access.Requirement, table: Table) -> bound.BoundRequirement:
        who = None
        if requirement.who is not None:
            who = self.condition(requirement.who, _Scope(Side.PERSON, self.people_table(requirement.at)))
        rows = self.condition(
            requirement.rows, _Scope(Side.ROW, table, person=self.viewers_table is not None, row=table, can=True)
        )
        return bound.BoundRequirement(
            requirement.name, who, rows, requirement.can, requirement.passes_on, requirement.at
        )

    def parents(self, resource: access.Resource, table: Table) -> tuple[bound.BoundParent, ...]:
        found: list[bound.BoundParent] = []
        for inherit in resource.inherits:
            parent = self.tables.get(inherit.parent)
            hop = self.attempt(lambda inherit=inherit: self.hop(table, inherit.step, inherit.at))
            if parent is None or hop is None:
                continue
            if hop.target != parent.name:
                self.fail(
                    "wrong-parent", inherit.parent, f"{inherit.step} leads to {hop.target}, not to the table of {inherit.parent}", inherit.at
                )  # fmt: skip
                continue
            found.append(bound.BoundParent(inherit.parent, hop, inherit.at))
        named = {inherit.parent for inherit in resource.inherits}
        for other in self.rules.resources:
            parent = self.tables.get(other.name)
            if not other.passes_on or other.name in named or other.name == resource.name or parent is None:
                continue
            hops = list(dict.fromkeys(hop for hop in self.lookups_of(table) if hop.target == parent.name))
            if len(hops) > 1:
                self.fail(
                    "ambiguous-parent", resource.name, f"{table.name} has several lookups to {other.name}, which passes on", resource.at,
                    f"Say which under inherits: {{{other.name}: column}}.",
                )  # fmt: skip
            elif hops:
                found.append(bound.BoundParent(other.name, hops[0], resource.at))
        return tuple(found)

    def bind_combine(self, entry: access.Combine, resource: access.Resource, parents: list[str]) -> bound.BoundCombine:
        who = None
        if entry.who is not None:
            who = self.condition(entry.who, _Scope(Side.PERSON, self.people_table(entry.at)))
        return bound.BoundCombine(entry.name, who, self.expression(entry.expression, resource, parents), entry.at)

    def expression(
        self, expression: access.Expression, resource: access.Resource, parents: list[str]
    ) -> bound.BoundExpression:
        match expression:
            case access.Term(name, at):
                if name == "own":
                    return bound.BTerm(None)
                if name not in parents:
                    raise self.fail(
                        "unknown-term",
                        name,
                        f"{name} is no parent of {resource.name}",
                        at,
                        _nearest(name, ["own", *parents]),
                    )
                return bound.BTerm(name)
            case access.ExpressionAnd(parts):
                return bound.BJoin(True, tuple(self.expression(part, resource, parents) for part in parts))
            case access.ExpressionOr(parts):
                return bound.BJoin(False, tuple(self.expression(part, resource, parents) for part in parts))

    def finish(self, draft: bound.BoundResource, finished: dict[str, bound.BoundResource]) -> bound.BoundResource:
        """Add what depends on parents: openness, and requirements passed on."""
        open_for = frozenset(
            action
            for action in draft.open
            if all(passed_on(action) in finished[p.resource].open for p in draft.parents)
        )
        derived: list[bound.BoundRequirement] = []
        for parent in draft.parents:
            origin = finished[parent.resource]
            for requirement in origin.requirements:
                if requirement.passes_on:
                    derived.append(replace(
                        requirement, name=f"{requirement.name} of {origin.name}", rows=bound.HOLDS,
                        through=parent.hop, origin=(origin.name, requirement.name),
                    ))  # fmt: skip
                elif draft.rules and not requirement.passes_on:
                    self.findings.append(Finding(
                        "opens-past-requirement", Severity.NOTE, draft.name,
                        f"rules of {draft.name} can show rows whose {origin.name} fails its requirement {requirement.name}",
                        "Give the requirement passes_on: true if it is meant for children too.", requirement.at,
                    ))  # fmt: skip
        return replace(draft, open=open_for, requirements=(*draft.requirements, *derived))

    def bind_authority(self, entry: access.Authority) -> bound.BoundAuthority:
        table = self.table(entry.table, entry.at)
        self.column(table, entry.column, entry.at)
        who = None if entry.who is None else self.condition(entry.who, _Scope(Side.PERSON, self.people_table(entry.at)))
        return bound.BoundAuthority(table.name, entry.column, entry.everyone, who)


def passed_on(action: Action) -> Action:
    """What a child's action asks of the parent: read for read, update for any write (docs/meaning.md, 13)."""
    return Action.READ if action is Action.READ else Action.UPDATE


def _ordered_hop(hop: Hop, columns: tuple[str, ...]) -> Hop:
    """The hop with its columns in the order asked for."""
    pairs = dict(zip(hop.columns, hop.target_columns, strict=True))
    return Hop(columns, hop.target, tuple(pairs[column] for column in columns))


def _is_unique(table: Table, columns: tuple[str, ...]) -> bool:
    wanted = set(columns)
    return any(
        index.unique and index.valid and not index.partial and set(index.columns[: index.key_count]) == wanted
        for index in table.indexes
    )


def _needed(resource: bound.BoundResource) -> frozenset[str]:
    """Resources whose decisions this one asks for."""
    found = {parent.resource for parent in resource.parents}

    def visit(condition: bound.BoundCondition) -> None:
        match condition:
            case bound.BAll(terms) | bound.BAny(terms):
                for term in terms:
                    visit(term)
            case bound.BNot(term):
                visit(term)
            case bound.BCan():
                found.add(condition.resource)
            case bound.BTest() | bound.BInGroup():
                pass

    for rule in resource.rules:
        visit(rule.rows)
        visit(rule.becomes)
    for requirement in resource.requirements:
        visit(requirement.rows)
    return frozenset(found)


def _moment(relative: conditions.RelativeTime, wanted: ValueType) -> str:
    """statement_timestamp() moved in UTC by calendar months, days and seconds, as docs/meaning.md (25) says."""
    span = relative.span
    parts = [
        f"{n} {unit}" for n, unit in ((span.months, "months"), (span.days, "days"), (span.seconds, "seconds")) if n
    ]
    sign = "-" if relative.sign < 0 else "+"
    local = f"(statement_timestamp() at time zone 'UTC' {sign} interval '{' '.join(parts) or '0 seconds'}')"
    if wanted.base == "timestamp with time zone":
        return f"({local} at time zone 'UTC')"
    if wanted.base == "date":
        return f"{local}::date"
    return local


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {close[0]}?" if close else ""
