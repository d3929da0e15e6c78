"""Binds access rules to a catalog: people, groups and resources, in an order in which each knows what it needs.

All problems are collected as findings; binding goes on past each of them so that a file is reported whole.
"""

from __future__ import annotations

from dataclasses import replace

from pgerase.catalog.model import Catalog, Column, Table
from pgerase.compile import bound
from pgerase.compile.bind_aggregates import AggregateBinder
from pgerase.compile.bind_columns import ColumnBinder
from pgerase.compile.bind_conditions import Scope
from pgerase.compile.bind_names import is_unique, nearest
from pgerase.compile.bind_secured import read_only
from pgerase.compile.bound import Hop, Side
from pgerase.compile.graph import find_circle, in_dependency_order
from pgerase.compile.types import key_from_text, type_of
from pgerase.errors import Finding, Severity
from pgerase.rules import access, conditions
from pgerase.rules.access import AccessRules
from pgerase.rules.audit import Support
from pgerase.rules.conditions import Action, Operator


def bind(
    rules: AccessRules, catalog: Catalog, support: Support | None = None
) -> tuple[bound.BoundRules, tuple[Finding, ...]]:
    """Bind access rules, and who may hold support grants. What could not be bound is left out of the result and named in the findings."""
    binder = _Binder(rules, catalog)
    return binder.bind(support), tuple(binder.findings)


class _Binder(ColumnBinder, AggregateBinder):
    def bind(self, support: Support | None) -> bound.BoundRules:
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
            aggregates=self.bind_aggregates(resources),
            staff=None if support is None else self.attempt(lambda: self.bind_staff(support)),
        )

    def bind_staff(self, support: Support) -> bound.BoundStaff:
        """Who may hold support grants: conditions on the viewer, like `who` of rules."""
        scope = Scope(Side.PERSON, self.people_table(support.at))
        glass = support.break_glass
        return bound.BoundStaff(
            self.condition(support.who, scope), None if glass is None else self.condition(glass.who, scope)
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
        if not is_unique(target, reference.target.columns):
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
        if not is_unique(table, (key.name,)):
            raise self.fail(
                "viewer-key-not-unique",
                viewers.key,
                f"{table.name}.{key.name} is not unique: one row a person is needed",
                viewers.at,
            )
        self.viewers_table = table
        for attribute in viewers.attributes:
            self.attempt(lambda attribute=attribute: self.declare(attribute, table))
        for attribute in self.attributes.values():
            self.attempt(lambda attribute=attribute: self.person_value(attribute.name, attribute.at))
        scope = Scope(Side.PERSON, table)
        return bound.BoundPeople(
            table=table,
            key=key,
            active=self.condition(viewers.active, scope),
            erased=None if viewers.erased is None else self.condition(viewers.erased, scope),
            super_admin=None if viewers.super_admin is None else self.condition(viewers.super_admin, scope),
            manager=self.bind_manager(viewers.manager, table, key),
            become=viewers.identity.kind in (access.IdentityKind.SETTING, access.IdentityKind.TOKEN),
        )

    def bind_manager(
        self, manager: access.ManagerColumn | access.ManagerTree | None, table: Table, key: Column
    ) -> str | bound.BoundTree | None:
        """The hierarchy: a column of the people that holds keys of people, or a tree that they stand in."""
        match manager:
            case None:
                return None
            case access.ManagerColumn():
                column = self.column(table, manager.column, manager.at)
                if type_of(column).family != type_of(key).family:
                    raise self.fail(
                        "type-mismatch", column.name, f"{column.name} does not hold keys of viewers", manager.at
                    )
                return column.name
            case access.ManagerTree():
                return self.bind_tree(manager, table)

    def bind_tree(self, tree: access.ManagerTree, people: Table) -> bound.BoundTree:
        """A tree of roles: its nodes are known by the one column that `through` ends at, and `up` holds that of another."""
        hops, nodes = self.follow(people, tree.through.steps, tree.at)
        if len(hops[-1].columns) != 1:
            raise self.fail(
                "role-tree", str(tree.through), f"{tree.through} leads to {nodes.name} by several columns", tree.at,
                "A node of the tree has to be known by one column.",
            )  # fmt: skip
        key = self.column(nodes, hops[-1].target_columns[0], tree.at)
        up = self.column(nodes, tree.up, tree.at)
        if type_of(up).family != type_of(key).family or type_of(up).many:
            raise self.fail(
                "type-mismatch", up.name, f"{nodes.name}.{up.name} does not hold values of {key.name}", tree.at
            )
        elsewhere = [hop for hop in self.lookups_of(nodes, (up.name,)) if hop.target_columns != (key.name,) or hop.target != nodes.name]  # fmt: skip
        if up.name == key.name or elsewhere:
            led = f"to {elsewhere[0].target}({', '.join(elsewhere[0].target_columns)})" if elsewhere else "nowhere"
            raise self.fail(
                "role-tree", up.name, f"{nodes.name}.{up.name} leads {led}, not to {nodes.name}.{key.name}", tree.at,
                "up: is the column that points to the node above.",
            )  # fmt: skip
        return bound.BoundTree(hops, nodes.name, key.name, up.name)

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
            where = self.condition(group.members.where, Scope(Side.MEMBER, members))
            member_table, value = members.name, column.name
        criteria = None if group.criteria is None else self.condition(group.criteria, Scope(Side.PERSON, table))
        managed = None
        if group.managed_by is not None and isinstance(group.members, access.MemberRelation):
            managed = self.bind_managed(group, group.managed_by, group.members, where)
        return bound.BoundGroup(group.name, criteria, keys, member_table, value, where, group.include_inactive, managed)

    def bind_managed(
        self,
        group: access.Group,
        managed_by: access.ManagedBy,
        relation: access.MemberRelation,
        where: bound.BoundCondition,
    ) -> bound.ManagedMembers:
        """Members by hand: `where` has to say, column by column, what a member's row holds."""
        members = self.table(relation.table, relation.at)
        value = self.column(members, relation.value, relation.at)
        terms = where.terms if isinstance(where, bound.BAll) else (where,)
        fixed: dict[str, str] = {}
        for term in terms:
            match term:
                case bound.BTest(
                    bound.ColumnValue(hops=(), column=column), Operator.EQ, bound.Constant(items=(text,), type=kind)
                ) if not kind.many and column not in (value.name, *fixed):
                    fixed[column] = text
                case _:
                    raise self.fail(
                        "managed-group", group.name, f"where of {group.name} does not say what a member's row holds", relation.at,
                        "To be managed by hand it has to give columns one value each: where: {group_name: sales}.",
                    )  # fmt: skip
        if not members.has_row_security:
            message = f"{members.name} is no table of this database: no guard stands on it"
            raise self.fail("managed-group", group.name, message, relation.at)
        for column in members.columns:
            filled = column.name in (value.name, *fixed) or column.default or column.generated or column.identity
            if column.not_null and not filled:
                message = f"{members.name}.{column.name} needs a value that neither where nor a default gives"
                raise self.fail("managed-group", group.name, message, relation.at)
        who = None
        if managed_by.who is not None:
            who = self.condition(managed_by.who, Scope(Side.PERSON, self.people_table(managed_by.at)))
        return bound.ManagedMembers(who, members, value, tuple(fixed.items()), managed_by.at)

    def bind_table(self, resource: access.Resource) -> None:
        table = self.table(resource.table, resource.at)
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
        if not table.has_row_security:
            self.findings += read_only(resource, table)
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
        columns = self.attempt(lambda: self.bind_columns(resource, table))
        rules = [self.attempt(lambda rule=rule: self.bind_rule(rule, table)) for rule in resource.rules]
        requirements = [self.attempt(lambda one=one: self.bind_requirement(one, table)) for one in resource.require]
        parents = self.parents(resource, table)
        names = [parent.resource for parent in parents]
        combine = [
            self.attempt(lambda entry=entry: self.bind_combine(entry, resource, names)) for entry in resource.combine
        ]
        handed = [self.attempt(lambda entry=entry: self.bind_hand_over(entry, table)) for entry in resource.hand_over]
        covered = frozenset(action for action in Action if resource.everyone.covers(action))
        return bound.BoundResource(
            name=resource.name,
            table=table,
            open=covered,
            rules=tuple(rule for rule in rules if rule is not None),
            requirements=tuple(one for one in requirements if one is not None),
            parents=parents,
            combine=tuple(entry for entry in combine if entry is not None),
            hand_over=tuple(one for one in handed if one is not None),
            at=resource.at,
            columns=bound.BoundColumns() if columns is None else columns,
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
                        nearest(name, list(self.catalog.roles)),
                    )
        row_scope = Scope(Side.ROW, table, person=not roles, row=table, can=not roles)
        made_who = bound.HOLDS
        if not roles:
            made_who = self.condition(who, Scope(Side.PERSON, self.people_table(rule.at)))
        rows = self.condition(rule.rows, row_scope)
        becomes = rows if rule.becomes is None else self.condition(rule.becomes, row_scope)
        return bound.BoundRule(rule.name, roles, made_who, rows, becomes, rule.can, rule.hierarchy, rule.at)

    def bind_hand_over(self, entry: access.HandOver, table: Table) -> bound.BoundHandOver:
        people = self.people_table(entry.at)
        assert self.rules.viewers is not None
        column = self.column(table, entry.column, entry.at)
        key = self.column(people, self.rules.viewers.key, self.rules.viewers.at)
        if type_of(column).family != type_of(key).family or type_of(column).many:
            raise self.fail(
                "type-mismatch", column.name, f"{table.name}.{column.name} does not hold keys of viewers", entry.at
            )
        if column.generated:
            raise self.fail(
                "hand-over", column.name, f"{table.name}.{column.name} is generated: nobody sets it", entry.at
            )
        keys = [table.column(name) for name in table.primary_key]
        if not keys or column in keys:
            why = f"{column.name} is part of it" if keys else f"{table.name} has none"
            raise self.fail(
                "hand-over", str(table.name), f"a row to hand over is named by its primary key, and {why}", entry.at
            )
        return bound.BoundHandOver(column, tuple(one for one in keys if one is not None), entry.at)

    def bind_requirement(self, requirement: access.Requirement, table: Table) -> bound.BoundRequirement:
        who = None
        if requirement.who is not None:
            who = self.condition(requirement.who, Scope(Side.PERSON, self.people_table(requirement.at)))
        rows = self.condition(
            requirement.rows, Scope(Side.ROW, table, person=self.viewers_table is not None, row=table, can=True)
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
            who = self.condition(entry.who, Scope(Side.PERSON, self.people_table(entry.at)))
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
                        nearest(name, ["own", *parents]),
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
        who = None if entry.who is None else self.condition(entry.who, Scope(Side.PERSON, self.people_table(entry.at)))
        return bound.BoundAuthority(table.name, entry.column, entry.everyone, who)


def passed_on(action: Action) -> Action:
    """What a child's action asks of the parent: read for read, update for any write (docs/meaning.md, 13)."""
    return Action.READ if action is Action.READ else Action.UPDATE


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
    for right in resource.columns.rights:
        for grant in (right.read, right.insert, right.update):
            if grant is not None:
                visit(grant.rows)
    return frozenset(found)
