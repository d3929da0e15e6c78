"""Which tables and columns the rules read, and which of these decide about people. Read off the rules, not off the compiler."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Name, Table
from pgerase.meaning.columns import column_grant
from pgerase.meaning.paths import Facts, Lookup
from pgerase.meaning.structure import Structure
from pgerase.meaning.support import SupportRules
from pgerase.rules.access import (
    AccessRules,
    ColumnAttribute,
    LookupAttribute,
    ManagerColumn,
    ManagerTree,
    MemberRelation,
    RelationAttribute,
    Resource,
)
from pgerase.rules.conditions import (
    Action,
    All,
    AnyOf,
    Can,
    Condition,
    InGroup,
    Not,
    Operand,
    Range,
    RowRef,
    Test,
    ViewerRef,
)
from pgerase.rules.names import Path
from pgerase.verify.support import support_columns


@dataclass(frozen=True, slots=True)
class Needs:
    """`columns`: what has to be read of every table. `facts`: tables of which a sample would not do. `guarded`: authority.

    `groups` and `relations` are those that some rule asks for. `followed`: lookups from a row that is decided about, and on from
    what they lead to; `whole`: facts that are looked through, so that no part of them would do.
    """

    columns: Mapping[Name, frozenset[str]]
    facts: frozenset[Name]
    guarded: Mapping[Name, frozenset[str]]
    groups: tuple[str, ...]
    relations: tuple[str, ...]
    followed: frozenset[tuple[Name, Lookup]] = frozenset()
    whole: frozenset[Name] = frozenset()


def find_needs(
    access: AccessRules,
    catalog: Catalog,
    governed: Collection[Name],
    *,
    aggregates: bool = False,
    support: SupportRules | None = None,
) -> Needs:
    """What deciding about the governed tables reads, what `aggregates` of them read, and what support access does. Raises PgeraseError
    where rules and catalog do not fit.
    """
    facts = Facts(catalog, access.references, {})
    reader = _Reader(access, catalog, facts, Structure(access, facts))
    return reader.read(governed, aggregates=aggregates, support=support)


class _Reader:
    """One walk over the rules."""

    def __init__(self, access: AccessRules, catalog: Catalog, facts: Facts, structure: Structure) -> None:
        self._access = access
        self._catalog = catalog
        self._rows = facts
        self._structure = structure
        self._viewers = access.viewers
        self._people = None if access.viewers is None else facts.table(access.viewers.table)
        self._attributes = {} if access.viewers is None else {one.name: one for one in access.viewers.attributes}
        self._groups = {group.name: group for group in access.groups}
        self._columns: dict[Name, set[str]] = {}
        self._guarded: dict[Name, set[str]] = {}
        self._facts: set[Name] = set()
        self._followed: set[tuple[Name, Lookup]] = set()
        self._whole: set[Name] = set()
        self._seen: set[str] = set()
        self._group_names: set[str] = set()
        self._waiting: list[Resource] = []

    def read(self, governed: Collection[Name], *, aggregates: bool, support: SupportRules | None) -> Needs:
        """Follow the governed tables' rules to everything they lead to."""
        viewers, people = self._viewers, self._people
        if viewers is not None and people is not None:
            self._take(people.name, {viewers.key}, decides=True)
            self._facts.add(people.name)
            if viewers.manager is not None:
                self._look_through(people.name)  # for who reports to whom; else one person is enough
            match viewers.manager:
                case None:
                    pass
                case ManagerColumn(column=column):
                    self._take(people.name, {column}, decides=True)
                case ManagerTree(through=through, up=up):
                    self._lookups(through, people, decides=True)
                    tree = self._rows.target(people, through.steps)
                    self._look_through(tree.name)
                    self._take(tree.name, {up}, decides=True)
            for condition in (viewers.active, viewers.erased, viewers.super_admin):
                self._of_person(condition)
        self._waiting = [
            resource for resource in self._access.resources if self._structure.table(resource).name in governed
        ]
        if aggregates:
            self._aggregates(governed)
        self._support(support, governed)
        done: set[str] = set()
        while self._waiting:
            resource = self._waiting.pop()
            if resource.name not in done:
                done.add(resource.name)
                self._resource(resource)
        for entry in self._access.authority:
            self._of_person(entry.who)
        for group in self._access.groups:
            if group.managed_by is not None:
                self._of_person(group.managed_by.who)
                self._group(group.name)
        return Needs(
            _frozen(self._columns),
            frozenset(self._facts),
            _frozen(self._guarded),
            tuple(sorted(self._group_names)),
            tuple(sorted(name for name in self._seen if isinstance(self._attributes.get(name), RelationAttribute))),
            frozenset(self._followed),
            frozenset(self._whole),
        )

    def _look_through(self, table: Name) -> None:
        self._facts.add(table)
        self._whole.add(table)

    def _take(self, table: Name, columns: Collection[str], *, decides: bool) -> None:
        self._columns.setdefault(table, set()).update(columns)
        if decides:
            self._guarded.setdefault(table, set()).update(columns)

    def _resource(self, resource: Resource) -> None:
        table = self._structure.table(resource)
        self._take(table.name, table.key, decides=False)
        for parent in self._structure.parents(resource):
            self._hop(table, parent.lookup, decides=False)
            self._waiting.append(parent.resource)
        for rule in resource.rules:
            self._of_person(rule.who)
            self._of_row(rule.rows, table)
            self._of_row(rule.becomes, table)
        for requirement in resource.require:
            self._of_person(requirement.who)
            self._of_row(requirement.rows, table)
        for entry in resource.combine:
            self._of_person(entry.who)
        self._take(table.name, restricted(resource, table), decides=False)
        for right in resource.columns:
            for grant in (right.read, right.insert, right.update):
                if grant is not None:
                    self._of_person(grant.who)
                    self._of_row(grant.rows, table)

    def _aggregates(self, governed: Collection[Name]) -> None:
        for one in self._access.aggregates:
            table = self._structure.table(self._structure.resource(one.resource))
            if table.name not in governed:
                continue
            self._of_person(one.who)
            self._of_row(one.rows, table)
            for path in (*(key.path for key in one.by), one.each, *(value.path for value in one.values)):
                if path is not None:
                    self._path(path, table, decides=False)

    def _support(self, rules: SupportRules | None, governed: Collection[Name]) -> None:
        """Who may hold grants, whom these are about, and by what rows are theirs."""
        if rules is None:
            return
        self._of_person(rules.support.who)
        if rules.support.break_glass is not None:
            self._of_person(rules.support.break_glass.who)
        for table, columns, has_people in support_columns(rules, self._rows):
            if has_people or table in governed:
                self._take(table, columns, decides=False)
            if has_people:
                self._facts.add(table)
                # What is required of reading the person binds whoever looks by a grant.
                self._waiting += [one for one in self._access.resources if self._structure.table(one).name == table]

    # -- conditions ----------------------------------------------------------------------------------------------------

    def _of_person(self, condition: Condition | None) -> None:
        if self._people is not None:
            self._condition(condition, self._people, about_person=True, decides=True, row=None)

    def _of_row(self, condition: Condition | None, table: Table) -> None:
        self._condition(condition, table, about_person=False, decides=False, row=table)

    def _condition(
        self, condition: Condition | None, table: Table, *, about_person: bool, decides: bool, row: Table | None
    ) -> None:
        """Everything a condition over rows of `table` reads; `row` is what `{row: …}` starts from."""
        match condition:
            case All(terms=terms) | AnyOf(terms=terms):
                for term in terms:
                    self._condition(term, table, about_person=about_person, decides=decides, row=row)
            case Not(term=term):
                self._condition(term, table, about_person=about_person, decides=decides, row=row)
            case Test(path=path, operand=operand):
                if about_person and len(path.steps) == 1:
                    self._attribute(path.column)
                else:
                    self._path(path, table, decides=decides)
                self._operand(operand, row)
            case Can(path=path):
                self._waiting.append(self._structure.resource_of(self._lookups(path, table, decides=decides)))
            case InGroup(names=names):
                for name in names:
                    self._group(name)
            case _:
                return

    def _operand(self, operand: Operand | None, row: Table | None) -> None:
        match operand:
            case ViewerRef(attribute="key"):
                return  # read already: it says who the viewer is
            case ViewerRef(attribute=name, where=where):
                self._attribute(name)
                declared = self._attributes.get(name)
                if where is not None and isinstance(declared, RelationAttribute):
                    table = self._rows.table(declared.table)
                    self._condition(where, table, about_person=False, decides=True, row=row)
            case RowRef(path=path) if row is not None:
                self._path(path, row, decides=False)
            case Range(low=low, high=high):
                self._operand(low, row)
                self._operand(high, row)
            case _:
                return

    def _path(self, path: Path, table: Table, *, decides: bool) -> None:
        for step in path.lookups:
            lookup = self._rows.lookup(table, step)
            self._hop(table, lookup, decides=decides)
            table = self._catalog.tables[lookup.target]
        self._take(table.name, {path.column}, decides=decides)

    def _lookups(self, path: Path, table: Table, *, decides: bool) -> Table:
        """Reads what a path of lookups alone reads, and gives the table where it ends."""
        for step in path.steps:
            lookup = self._rows.lookup(table, step)
            self._hop(table, lookup, decides=decides)
            table = self._catalog.tables[lookup.target]
        return table

    def _hop(self, table: Table, lookup: Lookup, *, decides: bool) -> None:
        self._take(table.name, {source for source, _ in lookup.pairs}, decides=decides)
        self._take(lookup.target, {target for _, target in lookup.pairs}, decides=decides)
        self._facts.add(lookup.target)
        if decides:
            # From rows of a table that is looked through: they may lead anywhere.
            self._whole.add(lookup.target)
        else:
            self._followed.add((table.name, lookup))

    # -- people --------------------------------------------------------------------------------------------------------

    def _attribute(self, name: str) -> None:
        people = self._people
        if people is None or name in self._seen:
            return
        self._seen.add(name)
        declared = self._attributes.get(name)
        match declared:
            case None | ColumnAttribute():
                self._take(people.name, {name}, decides=True)
            case LookupAttribute(path=path):
                self._path(path, people, decides=True)
            case RelationAttribute(table=source, where=where, value=value, below=below):
                table = self._rows.table(source)
                self._look_through(table.name)
                self._take(table.name, {value}, decides=True)
                self._condition(where, table, about_person=False, decides=True, row=None)
                if below is not None:
                    tree = self._rows.table(below.table)
                    self._look_through(tree.name)
                    self._take(tree.name, {*below.columns, *tree.primary_key}, decides=True)

    def _group(self, name: str) -> None:
        group = self._groups.get(name)
        if group is None or name in self._group_names:
            return
        self._group_names.add(name)
        self._of_person(group.criteria)
        if isinstance(group.members, MemberRelation):
            table = self._rows.table(group.members.table)
            self._look_through(table.name)
            self._take(table.name, {group.members.value}, decides=True)
            self._condition(group.members.where, table, about_person=False, decides=True, row=None)


def restricted(resource: Resource, table: Table) -> tuple[str, ...]:
    """The columns of a resource that not everyone may read, fill in and change, in the table's order."""
    actions = (Action.READ, Action.INSERT, Action.UPDATE)
    return tuple(
        column.name
        for column in table.columns
        if any(column_grant(resource, column.name, action) is not None for action in actions)
    )


def who_conditions(access: AccessRules, governed: Collection[Name], catalog: Catalog) -> tuple[Condition, ...]:
    """Every `who` of rules, requirements, combine entries and aggregates of the governed tables, in the order of the file."""
    facts = Facts(catalog, access.references, {})
    found: list[Condition] = []
    for resource in access.resources:
        if facts.table(resource.table).name not in governed:
            continue
        parts = (*resource.rules, *resource.require, *resource.combine)
        found += [part.who for part in parts if part.who is not None]
        found += [one.who for one in access.aggregates if one.resource == resource.name]
    return tuple(found)


def _frozen(columns: Mapping[Name, set[str]]) -> dict[Name, frozenset[str]]:
    return {name: frozenset(found) for name, found in columns.items()}
