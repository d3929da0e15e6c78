"""Which indexes the generated policies look for and do not find, each as a statement that is ready to run.

Policies are written so that they ask an index for every person's rows, parents' rows and members (`pgerase.compile.arms`).
Where one is missing the answer is the same, from a whole table instead of an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Name, Table
from pgerase.compile import bound
from pgerase.compile.arms import flatten, is_equality, spread
from pgerase.compile.bind import bind
from pgerase.compile.bind_support import bind_support
from pgerase.compile.bound import ColumnValue, Hop, Side
from pgerase.compile.emit import sides
from pgerase.compile.erasure.bind import bind_map
from pgerase.compile.sql import ident, qualified
from pgerase.errors import Finding, Position, Severity
from pgerase.rules.conditions import Action
from pgerase.rules.pack import Pack

FEW_ROWS = 1_000
"""A table that is known to have fewer is read as fast as an index of it."""

_SCANNED = frozenset({Action.READ, Action.UPDATE, Action.DELETE})
"""Actions that look for rows; a new row is only compared."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A column by which generated SQL looks for rows, and what for."""

    table: Name
    column: str
    why: str
    at: Position | None


def missing_indexes(pack: Pack, catalog: Catalog) -> tuple[Finding, ...]:
    """A note for each column that policies probe and no index begins with. Rules that cannot be bound yield nothing."""
    if pack.access is None:
        return ()
    support = None if pack.audit is None else pack.audit.support
    rules, problems = bind(pack.access, catalog, support)
    if any(finding.severity is Severity.ERROR for finding in problems):
        return ()
    probes: dict[tuple[Name, str], Probe] = {}
    for probe in (*_probes(rules), *_of_support(pack, rules, catalog)):
        probes.setdefault((probe.table, probe.column), probe)
    return tuple(
        _finding(table, probe)
        for (name, column), probe in sorted(probes.items(), key=lambda item: item[0])
        if (table := catalog.tables[name]).kind in ("r", "p")
        and not 0 < table.estimated_rows < FEW_ROWS
        and not _is_served(table, column)
    )


def _is_served(table: Table, column: str) -> bool:
    """Whether an index begins with the column and can answer "equals one of these", or for an array "shares one of these"."""
    wanted = ("gin", "gist") if _is_array(table, column) else ("btree", "hash")
    return any(
        index.valid and not index.partial and index.method in wanted and index.columns[:1] == (column,)
        for index in table.indexes
    )


def _is_array(table: Table, column: str) -> bool:
    found = table.column(column)
    return found is not None and found.element_type is not None


def _finding(table: Table, probe: Probe) -> Finding:
    # A partitioned table's index cannot be made without holding writers up.
    how = "CREATE INDEX ON" if table.kind == "p" else "CREATE INDEX CONCURRENTLY ON"
    method = " USING gin" if _is_array(table, probe.column) else ""
    return Finding(
        "missing-index",
        Severity.NOTE,
        f"{table.name}.{probe.column}",
        f"{probe.why}, and no index begins with this column",
        f"{how} {qualified(table.name)}{method} ({ident(probe.column)});",
        probe.at,
    )


# What is probed -------------------------------------------------------------------------------------------------------


def _probes(rules: bound.BoundRules) -> Iterator[Probe]:
    yield from _of_people(rules)
    for group in rules.groups:
        if group.member_table is not None:
            yield Probe(group.member_table, group.member_value, f"members of group {group.name} are looked up", None)
        if group.criteria is not None:
            yield from _of_relations(group.criteria, None)
        yield from _of_relations(group.member_where, None)
    for resource in rules.resources:
        yield from _of_resource(rules, resource)


def _of_support(pack: Pack, rules: bound.BoundRules, catalog: Catalog) -> Iterator[Probe]:
    """The columns by which support grants find a person's rows: policies ask for them whether or not somebody holds one."""
    support = None if pack.audit is None else pack.audit.support
    if support is None or pack.data_map is None:
        return
    bound_map, _ = bind_map(pack.data_map, catalog)
    found, _ = bind_support(support, rules, bound_map, rules.resources, catalog)
    for one in () if found is None else found.opened:
        why = f"support access looks for a {one.subject}'s rows, which slows every statement on the table down"
        yield Probe(one.resource.table.name, one.hop.columns[0], why, one.at)


def _of_people(rules: bound.BoundRules) -> Iterator[Probe]:
    """Who stands below a manager, or has a role; which roles stand below one."""
    people = rules.people
    if people is None or people.manager is None:
        return
    if isinstance(people.manager, str):
        yield Probe(people.table.name, people.manager, "who reports to whom is looked up", None)
        return
    tree = people.manager
    yield Probe(tree.table, tree.up, "the tree of roles is walked downwards", None)
    yield from _backwards(people.table.name, tree.hops, None, "people of a role are looked up", None)


def _of_resource(rules: bound.BoundRules, resource: bound.BoundResource) -> Iterator[Probe]:
    table = resource.table.name
    for rule in resource.rules:
        if not rule.can & _SCANNED:
            continue
        why = f"rule {rule.name} looks for a person's rows"
        for grant in spread(rule.hierarchy, bound.BAll((rule.who, rule.rows))):
            tied = [part for part in grant.conditions if {Side.ROW, Side.PERSON} <= _sides_of(part)]
            for condition in tied:
                if is_equality(condition):
                    assert isinstance(condition, bound.BTest) and isinstance(condition.left, ColumnValue)
                    left = condition.left
                    yield from _backwards(table, left.hops, left.column, why, rule.at)
        yield from _of_decisions(table, rule.rows, f"rule {rule.name} looks for rows by their lookup", rule.at)
        yield from _of_relations(bound.BAll((rule.who, rule.rows)), rule.at)
    for requirement in resource.requirements:
        yield from _of_relations(bound.BAll((requirement.who or bound.HOLDS, requirement.rows)), requirement.at)
    for entry in resource.combine:
        if entry.who is not None:
            yield from _of_relations(entry.who, entry.at)
    for parent in resource.parents:
        if Action.READ not in rules.resource(parent.resource).open and len(parent.hop.columns) == 1:
            yield Probe(table, parent.hop.columns[0], f"rows are found through {parent.resource}", parent.at)


def _sides_of(condition: bound.BoundCondition) -> frozenset[Side]:
    """Whose values a condition depends on; the values of a relation are a person's, whatever it compares."""
    names_people = isinstance(condition, bound.BTest) and isinstance(condition.right, bound.RelationValue)
    return sides(condition) | ({Side.PERSON} if names_people else set[Side]())


def _backwards(start: Name, hops: tuple[Hop, ...], last: str | None, why: str, at: Position | None) -> Iterator[Probe]:
    """The columns by which rows are found from the far end of a lookup; of several columns none has an array."""
    table = start
    for hop in hops:
        if len(hop.columns) == 1:
            yield Probe(table, hop.columns[0], why, at)
        table = hop.target
    if last is not None:
        yield Probe(table, last, why, at)


def _of_decisions(table: Name, condition: bound.BoundCondition, why: str, at: Position) -> Iterator[Probe]:
    """The lookups of `{can: …}` that have to hold together with the rest of a rule."""
    for part in flatten(condition):
        if isinstance(part, bound.BCan):
            yield from _backwards(table, part.side_hops, None, why, at)


def _of_relations(condition: bound.BoundCondition, at: Position | None) -> Iterator[Probe]:
    """The columns by which the rows of relations in a condition are found for a person, and the parents of what lies below."""
    match condition:
        case bound.BAll(terms) | bound.BAny(terms):
            for term in terms:
                yield from _of_relations(term, at)
        case bound.BNot(term):
            yield from _of_relations(term, at)
        case bound.BTest(_, _, bound.RelationValue(relation, _)):
            yield from _of_relation(relation, at)
        case _:
            pass


def _of_relation(relation: bound.Relation, at: Position | None) -> Iterator[Probe]:
    if relation.below is not None:
        yield Probe(relation.below.table, relation.below.parent, "what lies below is looked up", at)
    yield from _of_relations(relation.where, at)
    for part in flatten(relation.where):
        if (
            isinstance(part, bound.BTest)
            and isinstance(part.left, ColumnValue)
            and part.left.side is Side.MEMBER
            and not part.left.hops
            and part.right is not None
            and not isinstance(part.right, tuple)
            and (Side.PERSON in sides(part.right) or isinstance(part.right, bound.RelationValue))
        ):
            yield Probe(relation.table, part.left.column, "a person's members are looked up", at)
            return  # one is enough: the others narrow what it finds
