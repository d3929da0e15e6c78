"""Binds a data map to a catalog; what this release does not compile is refused by name and place, never left out in silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from pgerase.catalog.model import Catalog, Column, ForeignKey, Name, Table
from pgerase.compile.bind_conditions import ConditionBinder, Scope
from pgerase.compile.bind_names import Unbound, is_unique, nearest
from pgerase.compile.bound import BoundCondition, Computed, Hop, Side, Value
from pgerase.compile.erasure import bound
from pgerase.compile.erasure.bound import Verb
from pgerase.compile.erasure.parts import key_name
from pgerase.compile.sql import ident
from pgerase.compile.types import ValueType, literal, null_of, type_of
from pgerase.counts import counted
from pgerase.errors import Finding, Position
from pgerase.rules import conditions
from pgerase.rules import data_map as rules
from pgerase.rules.access import AccessRules
from pgerase.rules.conditions import Literal, Operator
from pgerase.rules.names import BackStep, Step

LONGEST_SUBJECT = 50
"""In bytes, so that count_, erase_, status_ and set_state_ fit before a name."""
SPELLED_ONE_WAY = frozenset({"smallint", "integer", "bigint", "text", "character varying", "uuid"})
"""Not numeric (1 and 1.0), dates and times (styles and zones), character(n) (its padding), nor citext."""


def bind_map(data_map: rules.DataMap, catalog: Catalog) -> tuple[bound.BoundMap, tuple[Finding, ...]]:
    """Bind a data map. What could not be bound is left out of the result and named in the findings."""
    binder = _MapBinder(data_map, catalog)
    return binder.bind(), tuple(binder.findings)


def bind_profiles(
    data_map: rules.DataMap, catalog: Catalog, subject: bound.BoundSubject
) -> tuple[tuple[tuple[str, BoundCondition], ...], tuple[Finding, ...]]:
    """The profiles of a data map by name, each with its condition on the row of one kind of person; the first that holds applies."""
    binder = _MapBinder(data_map, catalog)
    made = [
        (profile.name, condition)
        for profile in data_map.profiles
        if (condition := binder.attempt(lambda when=profile.when: binder.bind_when(subject.table, when, subject)))
        is not None
    ]
    return tuple(made), tuple(binder.findings)


class _MapBinder(ConditionBinder):
    def __init__(self, data_map: rules.DataMap, catalog: Catalog) -> None:
        nobody = AccessRules((), None, (), (), (), data_map.at)
        super().__init__(nobody, catalog)
        self.map = data_map
        self.subjects: dict[str, bound.BoundSubject] = {}
        self.mapped: dict[Name, rules.MappedTable] = {}
        self.declared: list[bound.BoundReference] = []
        self.asked_of: bound.BoundSubject | None = None
        self.being_bound: list[rules.Link] = []

    def bind(self) -> bound.BoundMap:
        self.refuse_what_comes_later()
        for mapped in self.map.tables:
            self.attempt(lambda mapped=mapped: self.find_table(mapped))
        for name, mapped in self.mapped.items():
            for reference in mapped.references:
                self.attempt(lambda name=name, reference=reference: self.bind_reference(name, reference))
        for subject in self.map.subjects:
            made = self.attempt(lambda subject=subject: self.bind_subject(subject))
            if made is not None:
                self.subjects[made.name] = made
        tables = [
            self.attempt(lambda name=name, mapped=mapped: self.bind_table(name, mapped))
            for name, mapped in self.mapped.items()
        ]
        return bound.BoundMap(
            self.subjects,
            {table.table.name: table for table in tables if table is not None},
            (*self.declared, *self.constrained()),
        )

    def refuse_what_comes_later(self) -> None:
        for recipient in self.map.recipients:
            self.not_yet(f"recipients: {recipient.name}", recipient.at)
        for rule in self.map.retention:
            self.not_yet(f"retention: {rule.name}", rule.at)
        # One that overrides nothing only has a name, by which the audit log knows how long to keep entries.
        for profile in (one for one in self.map.profiles if one.tables):
            self.not_yet(f"profiles: {profile.name}", profile.at)

    # Subjects -----------------------------------------------------------------------------------------------------

    def bind_subject(self, subject: rules.Subject) -> bound.BoundSubject:
        if subject.table is None:
            raise self.not_yet(f"subject {subject.name} without a table", subject.at)
        for part, what in ((subject.display, "display"), (subject.erasing, "erasing")):
            if part is not None:
                self.not_yet(f"{what} of {subject.name}", part.at)
        if len(subject.name.encode()) > LONGEST_SUBJECT:
            message = f"the name {subject.name!r} is longer than {LONGEST_SUBJECT} bytes: functions are named by it"
            raise self.fail("long-name", subject.name, message, subject.at)
        table = self.table(subject.table, subject.at)
        if table.name not in self.mapped:
            message = f"{table.name} is the table of {subject.name}, but tables: does not say what becomes of its rows"
            raise self.fail("unmapped-subject", subject.name, message, subject.at)
        for column in subject.key:
            if column.natural:
                self.not_yet(f"natural key {column.column}", column.at)
        key = tuple(self.column(table, column.column, column.at) for column in subject.key)
        for column in key:
            self.check_spelled(column, f"a key of type {column.type}: {column.name}", subject.at)
        if not is_unique(table, tuple(column.name for column in key)):
            named = ", ".join(column.name for column in key)
            message = f"{table.name}({named}) is not unique: one row a person is needed"
            self.fail("key-not-unique", f"{table.name}({named})", message, subject.at)
        identifiers: dict[str, Column] = {}
        for identifier in subject.identifiers:
            self.attempt(lambda identifier=identifier: self.bind_identifier(table, identifier, identifiers))
        return bound.BoundSubject(
            name=subject.name,
            table=table,
            key=key,
            identifiers=identifiers,
            manager=self.bind_manager(subject, table, key),
            ghost=self.bind_ghost(subject, table),
            lifecycle=self.bind_lifecycle(subject.lifecycle, table),
            at=subject.at,
        )

    def check_spelled(self, column: Column, what: str, at: Position) -> bool:
        """The ledger and the guards know people by text: only types of which a value has one, whatever the session's settings."""
        if column.base_type in SPELLED_ONE_WAY:
            return True
        self.not_yet(what, at)
        return False

    def bind_identifier(self, table: Table, identifier: rules.Identifier, known: dict[str, Column]) -> None:
        """Identifiers are what `prove` searches for; those that are one column of the person's row can also be linked by."""
        if isinstance(identifier.source, rules.IdentifierSql):
            return
        for path in identifier.source.paths:
            steps = self.path_steps(table, path.lookups, identifier.at)
            end = self.step_target(steps[-1]) if steps else table
            last = path.steps[-1]
            if isinstance(last, BackStep):
                raise self.fail("not-a-column", str(path), f"{path} does not end in a column", identifier.at)
            for name in last.columns:
                self.column(end, name, identifier.at)
            if not steps and len(identifier.source.paths) == 1 and len(last.columns) == 1:
                known[identifier.name] = self.column(table, last.columns[0], identifier.at)

    def bind_manager(self, subject: rules.Subject, table: Table, key: tuple[Column, ...]) -> Column | None:
        if subject.manager is None:
            return None
        if len(subject.manager.columns) != 1:
            raise self.not_yet(f"a manager of several columns: {subject.manager}", subject.at)
        column = self.column(table, subject.manager.columns[0], subject.at)
        if type_of(column).family != type_of(key[-1]).family:
            message = f"{column.name} is {column.base_type} and holds no key of {subject.name}"
            raise self.fail("type-mismatch", column.name, message, subject.at)
        return column

    def bind_ghost(self, subject: rules.Subject, table: Table) -> Mapping[str, str] | None:
        if subject.ghost is None:
            return None
        return {name: self.value_for(table, name, value) for name, value in subject.ghost.values}

    def value_for(self, table: Table, column: str, value: Literal) -> str:
        """A value of the file as a literal of a column's type."""
        found = self.column(table, column, value.at)
        made = literal(value.value, type_of(found))
        if made is None:
            message = f"{value.value!r} is no {found.type}, which {table.name}.{column} is"
            raise self.fail("bad-literal", f"{table.name}.{column}", message, value.at)
        return made

    def bind_lifecycle(self, lifecycle: rules.Lifecycle | None, table: Table) -> bound.BoundLifecycle | None:
        if lifecycle is None:
            return None
        values = [lifecycle.active, lifecycle.inactive, lifecycle.erased]
        if len({value.value for value in values}) < len(values):
            raise self.not_yet("a lifecycle whose states share a value", lifecycle.at)
        active, inactive, erased = (self.value_for(table, lifecycle.column, value) for value in values)
        since = lifecycle.inactive_since
        return bound.BoundLifecycle(
            lifecycle.column,
            active,
            inactive,
            erased,
            None if since is None else self.column(table, since, lifecycle.at),
        )

    # Tables -------------------------------------------------------------------------------------------------------

    def find_table(self, mapped: rules.MappedTable) -> None:
        table = self.table(mapped.table, mapped.at)
        if table.kind == "f":
            raise self.not_yet(f"foreign table {table.name}", mapped.at)
        if table.kind == "m":
            message = f"{table.name} is a materialized view; a map names the tables that it is made from"
            raise self.fail("not-a-table", str(table.name), message, mapped.at)
        if table.is_partition:
            message = f"{table.name} is a partition; a map names the partitioned table"
            raise self.fail("partition-mapped", str(table.name), message, mapped.at)
        if table.rewrites:
            message = f"{table.name} has rewrite rules (CREATE RULE), which cannot be part of erasing"
            raise self.fail(
                "rewrite-rule", str(table.name), message, mapped.at, "Use a trigger instead, or an updatable view."
            )
        if table.kind != "p" and self.catalog.leaves(table.name):
            raise self.not_yet(f"{table.name}, whose rows lie in tables that inherit from it", mapped.at)
        if table.name in self.mapped:
            raise self.fail("duplicate-name", str(table.name), f"{table.name} is mapped twice", mapped.at)
        self.mapped[table.name] = mapped

    def bind_reference(self, source: Name, reference: rules.TableReference) -> None:
        """A reference that the map declares, for paths and for what happens when the row it points to goes."""
        table = self.catalog.tables[source]
        target = self.table(reference.to.table, reference.at)
        if len(reference.step.columns) != len(reference.to.columns):
            message = "both sides of a reference need as many columns"
            raise self.fail("uneven-reference", str(reference.step), message, reference.at)
        for mine, theirs in zip(reference.step.columns, reference.to.columns, strict=True):
            left = type_of(self.column(table, mine, reference.at))
            right = type_of(self.column(target, theirs, reference.at))
            if left.family != right.family or left.many or right.many:
                message = f"{mine} is {left.base}, {theirs} is {right.base}"
                raise self.fail("type-mismatch", str(reference.step), message, reference.at)
        hop = Hop(reference.step.columns, target.name, reference.to.columns)
        self.references.append((source, hop))
        gone, values = self.bind_gone(table, hop, reference)
        constrained = any(_is_same(key, hop) for key in table.foreign_keys)
        label = f"{source}.{reference.step} ({reference.at})"
        self.declared.append(bound.BoundReference(source, hop, gone, values, constrained, label))

    def bind_gone(
        self, table: Table, hop: Hop, reference: rules.TableReference
    ) -> tuple[bound.Gone | None, tuple[tuple[str, str], ...]]:
        match reference.gone:
            case None:
                return None, ()
            case rules.Unlink(value):
                if len(hop.columns) != 1:
                    message = f"{reference.step} has several columns, and {{unlink: …}} one value"
                    raise self.fail("unlink-value", str(reference.step), message, reference.at)
                return bound.Gone.UNLINK, ((hop.columns[0], self.value_for(table, hop.columns[0], value)),)
            case rules.GoneWord.UNLINK:
                return bound.Gone.UNLINK, self.nulls(table, hop.columns, reference.at)
            case rules.GoneWord.DELETE:
                return bound.Gone.DELETE, ()
            case rules.GoneWord.KEEP:
                return bound.Gone.KEEP, ()

    def constrained(self) -> Iterable[bound.BoundReference]:
        """Every foreign key of the database that the map says nothing of, with what its ON DELETE does."""
        said = {(one.source, frozenset(one.hop.columns), one.hop.target) for one in self.declared}
        for table in self.catalog.tables.values():
            # A key that only partitions have is their table's as well.
            source = self.root_of(table)
            for key in table.foreign_keys:
                which = (source, frozenset(key.columns), self.root_of(self.catalog.tables[key.target]))
                if which in said:
                    continue
                said.add(which)
                gone, values = self.on_delete(table, key)
                hop = Hop(key.columns, which[2], key.target_columns)
                yield bound.BoundReference(source, hop, gone, values, True, f"{table.name} {key.name}")

    def on_delete(self, table: Table, key: ForeignKey) -> tuple[bound.Gone | None, tuple[tuple[str, str], ...]]:
        """What becomes of rows that point to one that is deleted; None where the database would not let it be."""
        columns = [self.column(table, name, self.map.at) for name in key.on_delete_columns or key.columns]
        match key.on_delete:
            case "c":
                return bound.Gone.DELETE, ()
            case "n":
                values = {one.name: null_of(one) for one in columns}
            case "d":
                values = {one.name: null_of(one) if one.default is None else f"({one.default})" for one in columns}
            case _:
                return None, ()
        if any(one.refuses_null and values[one.name] == null_of(one) for one in columns):
            return None, ()
        return bound.Gone.UNLINK, tuple(values.items())

    def root_of(self, table: Table) -> Name:
        """The partitioned table that a partition belongs to in the end; any other table itself."""
        while table.is_partition:
            table = self.catalog.tables[table.parents[0]]
        return table.name

    def bind_table(self, name: Name, mapped: rules.MappedTable) -> bound.BoundMappedTable:
        table = self.catalog.tables[name]
        for files in mapped.files:
            self.not_yet(f"files of {name}", files.at)
        columns = self.bind_columns(table, mapped)
        links = [
            self.attempt(lambda link=link: self.bind_link(table, mapped, link))
            for link in mapped.links
            if link.subject in self.subjects
        ]
        own = self.attempt(lambda: self.bind_self(table, mapped)) if mapped.subject in self.subjects else None
        every = (*((own,) if own is not None else ()), *(one for found in links if found is not None for one in found))
        return bound.BoundMappedTable(table, every, columns, mapped.owners is rules.Owners.LAST, mapped.at)

    def bind_self(self, table: Table, mapped: rules.MappedTable) -> bound.BoundLink:
        """The person's own row, as a link of its own."""
        assert mapped.subject is not None
        subject = self.subjects[mapped.subject]
        columns = tuple(
            column.column
            for column in mapped.columns
            if isinstance(column, rules.PersonalColumn)
            and isinstance(self.owner_of(table, mapped, column), rules.OfSelf)
        )
        path = bound.RowPath((), subject.key_columns, None)
        rows = self.bind_rules(table, mapped.rows, subject, (), mapped.at)
        return bound.BoundLink(subject.name, "self", path, None, rows, columns, True, mapped.at)

    def bind_link(self, table: Table, mapped: rules.MappedTable, link: rules.Link) -> tuple[bound.BoundLink, ...]:
        """One link for each way in which its path leads to a person; a path into a mapped table has as many as that has links."""
        subject = self.subjects[link.subject]
        paths = self.bind_paths(table, link, subject)
        held = paths[0].columns if paths[0].is_direct else ()
        columns = tuple(
            column.column
            for column in mapped.columns
            if isinstance(column, rules.PersonalColumn)
            and _covers(self.owner_of(table, mapped, column), link, subject.name)
        )
        when = None if link.when is None else self.bind_when(table, link.when, subject)
        wanted = link.rows if link.rows is not None else mapped.rows
        rows = self.bind_rules(table, wanted, subject, held, link.at)
        if not link.scan and not self.map.unindexed_scan:
            for path in paths:
                self.want_index(table, path, str(link.path), link.at)
        return tuple(
            bound.BoundLink(subject.name, str(link.path), path, when, rows, columns, False, link.at) for path in paths
        )

    # Paths --------------------------------------------------------------------------------------------------------

    def bind_paths(self, table: Table, link: rules.Link, subject: bound.BoundSubject) -> tuple[bound.RowPath, ...]:
        """How a table's rows hang on a subject; a path that ends in a mapped table means the person's rows there."""
        if isinstance(link.by, rules.ByTemplates):
            raise self.not_yet(f"a link by template: {link.path}", link.at)
        if link.inside is not None:
            raise self.not_yet(f"a link inside JSON: {link.path}", link.at)
        if link in self.being_bound:
            raise self.fail("circular-link", str(link.path), f"{link.path} leads back to itself", link.at)
        *before, last = link.path.steps
        steps = self.path_steps(table, before, link.at)
        end = self.step_target(steps[-1]) if steps else table
        if isinstance(last, BackStep):
            steps = (*steps, self.backward(end, last, link.at))
            return self.paths_into(self.step_target(steps[-1]), steps, subject, link)
        for name in last.columns:
            if type_of(self.column(end, name, link.at)).many:
                raise self.not_yet(f"ids inside an array: {link.path}", link.at)
        if isinstance(link.by, rules.ByIdentifier):
            return (bound.RowPath(steps, last.columns, self.linkable(link.by.name, subject, link.at)),)
        hops = list(self.lookups_of(end, last.columns))
        direct = [hop for hop in hops if hop.target == subject.table.name]
        elsewhere = [hop for hop in hops if hop.target in self.mapped and hop.target != subject.table.name]
        if elsewhere and not direct:
            steps = (*steps, bound.Forward(elsewhere[0]))
            return self.paths_into(self.catalog.tables[elsewhere[0].target], steps, subject, link)
        if len(last.columns) != len(subject.key):
            message = (
                f"{link.path} has {counted(len(last.columns), 'column')}, the key of {subject.name} {len(subject.key)}"
            )
            raise self.fail("uneven-link", str(link.path), message, link.at)
        columns = _in_key_order(last.columns, subject, direct)
        for mine, theirs in zip(columns, subject.key, strict=True):
            left, right = type_of(self.column(end, mine, link.at)), type_of(theirs)
            if left.family != right.family:
                message = f"{mine} is {left.base}, {subject.name}'s {theirs.name} is {right.base}"
                raise self.fail("type-mismatch", str(link.path), message, link.at)
        return (bound.RowPath(steps, columns, None),)

    def linkable(self, identifier: str, subject: bound.BoundSubject, at: Position) -> str:
        if identifier not in subject.identifiers:
            known = nearest(identifier, subject.identifiers)
            message = f"{identifier} is no identifier of {subject.name} that is one column of its table"
            raise self.fail("unlinkable-identifier", identifier, message, at, known)
        if not is_unique(subject.table, (subject.identifiers[identifier].name,)):
            message = f"{identifier} is not unique among {subject.name}s: rows of others of that name would be taken"
            raise self.fail("identifier-not-unique", identifier, message, at, "Link by key, or add a unique index.")
        column = subject.identifiers[identifier]
        if not self.check_spelled(column, f"a link by {identifier}, which is {column.type}", at):
            raise Unbound
        return identifier

    def paths_into(
        self,
        end: Table,
        steps: tuple[bound.Forward | bound.Backward, ...],
        subject: bound.BoundSubject,
        link: rules.Link,
    ) -> tuple[bound.RowPath, ...]:
        """The paths that go on from a mapped table to the person whose rows those are."""
        if end.name == subject.table.name:
            return (bound.RowPath(steps, subject.key_columns, None),)
        mapped = self.mapped.get(end.name)
        onwards = [one for one in mapped.links if one.subject == subject.name] if mapped is not None else []
        if not onwards:
            message = f"{link.path} ends in {end.name}, where no rows are mapped as {subject.name}'s"
            raise self.fail("not-mapped-there", str(link.path), message, link.at)
        self.being_bound.append(link)
        try:
            found: list[bound.RowPath] = []
            for one in onwards:
                when = None if one.when is None else self.bind_when(end, one.when, subject)
                here = () if when is None else ((len(steps), when),)
                found.extend(
                    bound.RowPath(
                        (*steps, *path.steps),
                        path.columns,
                        path.identifier,
                        (*here, *((len(steps) + depth, held) for depth, held in path.whens)),
                    )
                    for path in self.bind_paths(end, one, subject)
                )
        finally:
            self.being_bound.pop()
        return tuple(found)

    def path_steps(
        self, table: Table, steps: Iterable[Step | BackStep], at: Position
    ) -> tuple[bound.Forward | bound.Backward, ...]:
        made: list[bound.Forward | bound.Backward] = []
        for step in steps:
            made.append(
                self.backward(table, step, at)
                if isinstance(step, BackStep)
                else bound.Forward(self.hop(table, step, at))
            )
            table = self.step_target(made[-1])
        return tuple(made)

    def step_target(self, step: bound.Forward | bound.Backward) -> Table:
        return step.table if isinstance(step, bound.Backward) else self.catalog.tables[step.hop.target]

    def backward(self, table: Table, step: BackStep, at: Position) -> bound.Backward:
        source = self.table(step.table, at)
        for name in step.columns:
            self.column(source, name, at)
        hops = [hop for hop in self.lookups_of(source, step.columns) if hop.target == table.name]
        if not hops:
            message = f"{step} does not point to {table.name}, by foreign key or reference"
            raise self.fail("not-a-lookup", str(step), message, at)
        return bound.Backward(source, hops[0], self.literal_fillers(source, hops[0].columns))

    def literal_fillers(self, table: Table, columns: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """The literals that columns are filled with: a row that a filler points to is nobody's."""
        mapped = self.mapped.get(table.name)
        found: list[tuple[str, str]] = []
        for column in mapped.columns if mapped is not None else ():
            if not isinstance(column, rules.PersonalColumn) or column.column not in columns:
                continue
            for treatment in column.erase:
                constant = constant_of(treatment) if isinstance(treatment, rules.Fill) else None
                if constant is not None:
                    found.append((column.column, self.value_for(table, column.column, constant)))
        return tuple(found)

    def want_index(self, table: Table, path: bound.RowPath, label: str, at: Position) -> None:
        """Every step of a path has to be found by index from the person's side."""
        wanted: list[tuple[Table, tuple[str, ...]]] = []
        for step in path.steps:
            if isinstance(step, bound.Forward):
                wanted.append((table, step.hop.columns))
                table = self.catalog.tables[step.hop.target]
            else:
                table = step.table
        wanted.append((table, path.columns))
        for one, columns in wanted:
            if not all(is_indexed(leaf, columns) for leaf in self.holding_rows(one)):
                listed = ", ".join(columns)
                raise self.fail(
                    "unindexed-link",
                    f"{one.name}({listed})",
                    f"{label}: no index begins with {one.name}({listed}), so finding a person's rows would read the whole table",
                    at,
                    f"create index concurrently on {one.name} ({listed}); or say scan: true on the link.",
                )

    def holding_rows(self, table: Table) -> list[Table]:
        """The tables that hold a table's rows: its leaves, or itself."""
        leaves = [self.catalog.tables[name] for name in self.catalog.leaves(table.name)]
        own = [] if table.kind == "p" else [table]
        return [*own, *(leaf for leaf in leaves if leaf.kind != "p")]

    # Rows and columns ---------------------------------------------------------------------------------------------

    def bind_when(self, table: Table, when: conditions.Condition, subject: bound.BoundSubject) -> BoundCondition:
        self.asked_of = subject
        return self.condition(when, Scope(Side.ROW, table, row=table))

    def operand(
        self, operand: conditions.Operand, wanted: ValueType, operator: Operator, scope: Scope, subject: str
    ) -> Value:
        """Also `{subject: key}`, which only data maps have: the people of the request."""
        if not isinstance(operand, conditions.SubjectRef):
            return super().operand(operand, wanted, operator, scope, subject)
        people = self.asked_of
        if people is None or len(people.key) != 1:
            raise self.not_yet("{subject: key} of a composite key", operand.at)
        key = people.key[0]
        query = f"array(select person.{ident(key_name(key.name))} from person)"
        made = Computed(query, replace(type_of(key), many=True))
        return self.comparable(made, wanted, operator, subject, operand.at)

    def bind_rules(
        self,
        table: Table,
        rows: tuple[rules.RowRule, ...] | None,
        subject: bound.BoundSubject,
        held: tuple[str, ...],
        at: Position,
    ) -> tuple[bound.BoundRule, ...]:
        assert rows is not None, f"{at}: the reader lets no rows pass of which nothing is said"
        return tuple(self.bind_rule(table, rule, subject, held) for rule in rows)

    def bind_rule(
        self, table: Table, rule: rules.RowRule, subject: bound.BoundSubject, held: tuple[str, ...]
    ) -> bound.BoundRule:
        when = None if rule.when is None else self.bind_when(table, rule.when, subject)
        verb, candidates = self.bind_verb(table, rule.do, subject, held)
        marks = tuple((mark.column, self.value_for(table, mark.column, mark.value)) for mark in rule.mark)
        columns = tuple((column.column, column.treatments) for column in rule.columns)
        for column in rule.columns:
            self.column(table, column.column, column.at)
        return bound.BoundRule(when, verb, candidates, columns, marks, rule.at)

    def bind_verb(
        self, table: Table, verb: rules.RowVerb, subject: bound.BoundSubject, held: tuple[str, ...]
    ) -> tuple[Verb, tuple[bound.Candidate, ...]]:
        match verb:
            case rules.DoWord(rules.RowWord.KEEP):
                return Verb.KEEP, ()
            case rules.DoWord(rules.RowWord.DELETE):
                return Verb.DELETE, ()
            case rules.DoWord(rules.RowWord.UNLINK, at):
                return Verb.UNLINK, (bound.ToValue(self.nulls(table, self.own_columns(held, at), at)),)
            case rules.Unlink(value, at):
                last = self.own_columns(held, at)[-1]
                return Verb.UNLINK, (bound.ToValue(((last, self.value_for(table, last, value)),)),)
            case rules.DoWord(rules.RowWord.GHOST, at):
                return Verb.GHOST, (self.ghost(table, subject, self.own_columns(held, at), at),)
            case rules.Reassign(candidates, at):
                self.own_columns(held, at)
                return Verb.REASSIGN, tuple(self.bind_candidate(table, one, subject, held) for one in candidates)
            case _:
                raise self.not_yet(f"row verb of {table.name}", verb.at)

    def bind_candidate(
        self, table: Table, candidate: rules.Candidate, subject: bound.BoundSubject, held: tuple[str, ...]
    ) -> bound.Candidate:
        match candidate:
            case rules.CandidateNamed(rules.CandidateWord.MANAGER, at):
                if subject.manager is None:
                    raise self.fail("no-manager", subject.name, f"{subject.name} declares no manager", at)
                return bound.ToManager()
            case rules.CandidateNamed(rules.CandidateWord.GHOST, at):
                return self.ghost(table, subject, held, at)
            case rules.CandidateNamed(at=at):
                return bound.ToValue(self.nulls(table, held, at))
            case rules.CandidatePool(path, at):
                if any(isinstance(step, BackStep) for step in path.steps):
                    raise self.not_yet(f"a pool found backwards: {path}", at)
                value = self.path(Side.ROW, table, path, at)
                if value.type.family != type_of(subject.key[-1]).family:
                    message = f"{path} holds no key of {subject.name}"
                    raise self.fail("type-mismatch", str(path), message, at)
                return bound.ToPool(value)
            case rules.CandidateKey(values, at):
                if len(values) != len(held):
                    message = f"{counted(len(values), 'value')} for {counted(len(held), 'column')}"
                    raise self.fail("uneven-key", str(table.name), message, at)
                pairs = zip(held, values, strict=True)
                return bound.ToValue(tuple((name, self.value_for(table, name, value)) for name, value in pairs))

    def own_columns(self, held: tuple[str, ...], at: Position) -> tuple[str, ...]:
        if not held:
            message = "only a link that the row itself holds can be unlinked, reassigned or given to the ghost"
            raise self.fail("no-own-columns", "rows", message, at)
        return held

    def ghost(self, table: Table, subject: bound.BoundSubject, held: tuple[str, ...], at: Position) -> bound.ToValue:
        if subject.ghost is None:
            raise self.fail("no-ghost", subject.name, f"{subject.name} declares no ghost", at)
        pairs = zip(held, subject.key_columns, strict=True)
        return bound.ToValue(tuple((mine, subject.ghost[key]) for mine, key in pairs if key in subject.ghost))

    def nulls(self, table: Table, columns: tuple[str, ...], at: Position) -> tuple[tuple[str, str], ...]:
        """Null for each column that allows it; a composite link is undone by any."""
        found = [self.column(table, name, at) for name in columns]
        free = tuple((one.name, null_of(one)) for one in found if not one.refuses_null)
        if not free:
            named = ", ".join(columns)
            message = f"{table.name}.{named} cannot be unlinked: it is NOT NULL"
            raise self.fail(
                "unlink-not-null", f"{table.name}.{named}", message, at, "Delete, ghost or reassign instead."
            )
        return free

    def bind_columns(self, table: Table, mapped: rules.MappedTable) -> Mapping[str, bound.BoundColumn]:
        columns: dict[str, bound.BoundColumn] = {}
        for column in mapped.columns:
            found = self.attempt(lambda column=column: self.column(table, column.column, column.at))
            if found is None or not isinstance(column, rules.PersonalColumn):
                continue
            if column.mentions:
                self.not_yet(f"mentions: {column.column}", column.at)
            if column.write_self:
                self.not_yet(f"write: self of {column.column}", column.at)
            columns[column.column] = bound.BoundColumn(found, column.erase, column.at)
        return columns

    def owner_of(self, table: Table, mapped: rules.MappedTable, column: rules.PersonalColumn) -> rules.Of:
        """Whose a column is: as said; else the person's whose row it is, else the only link's."""
        said = column.of or mapped.of
        if said is not None:
            return said
        if mapped.subject is not None:
            return rules.OfSelf(column.at)
        if len(mapped.links) == 1:
            return rules.OfLinks((mapped.links[0].path,), column.at)
        message = f"{table.name}.{column.column} may be anybody's of {len(mapped.links)} links"
        raise self.fail("owner-not-said", f"{table.name}.{column.column}", message, column.at, "Say of: …")


def is_indexed(table: Table, columns: tuple[str, ...]) -> bool:
    """Whether some index begins with these columns, in whatever order, and holds every row."""
    wanted = set(columns)
    return any(
        index.valid and not index.partial and set(index.columns[: len(wanted)]) == wanted and index.method == "btree"
        for index in table.indexes
    )


def constant_of(fill: rules.Fill) -> Literal | None:
    """What a filler writes into every row, where that is one and the same scalar."""
    match fill.value:
        case rules.Template(parts) if not fill.value.placeholders:
            return Literal("".join(part for part in parts if isinstance(part, str)), fill.at)
        case str() | int() | float():
            return Literal(fill.value, fill.at)
        case _:
            return None


def _covers(of: rules.Of, link: rules.Link, subject: str) -> bool:
    match of:
        case rules.OfSelf():
            return False
        case rules.OfAny():
            return True
        case rules.OfLinks(paths):
            return link.path in paths
        case rules.OfSubject(name):
            return name == subject


def _in_key_order(columns: tuple[str, ...], subject: bound.BoundSubject, direct: list[Hop]) -> tuple[str, ...]:
    """Link columns in the order of the key: as the foreign key pairs them, else as written."""
    for hop in direct:
        pairs = dict(zip(hop.target_columns, hop.columns, strict=True))
        if set(pairs) == set(subject.key_columns):
            return tuple(pairs[name] for name in subject.key_columns)
    return columns


def _is_same(key: ForeignKey, hop: Hop) -> bool:
    return key.target == hop.target and set(key.columns) == set(hop.columns)
