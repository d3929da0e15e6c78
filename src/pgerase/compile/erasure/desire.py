"""compile_erasure: a data map and a catalog in, everything erasing needs in the database out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from pgerase.catalog.model import Catalog, Name
from pgerase.compile.bound import BoundCondition, BoundRequirement, BoundRules
from pgerase.compile.desired import DesiredFunction, DesiredGrant, DesiredObject, DesiredPolicy, DesiredTrigger
from pgerase.compile.emit import Emitter, Facts
from pgerase.compile.erasure.bind import bind_map, bind_profiles
from pgerase.compile.erasure.bound import BoundMap, BoundSubject
from pgerase.compile.erasure.code import code_findings, user_code
from pgerase.compile.erasure.functions import (
    check_functions,
    count_function,
    erase_function,
    profile_function,
    state_functions,
)
from pgerase.compile.erasure.guards import erased_guards
from pgerase.compile.erasure.statement import Statement
from pgerase.compile.erasure.work import plan_work
from pgerase.compile.naming import Naming
from pgerase.compile.sql import ident, qualified
from pgerase.compile.surroundings import leaves_too
from pgerase.errors import Finding, Severity
from pgerase.rules.conditions import Action
from pgerase.rules.data_map import DataMap
from pgerase.rules.names import TableName
from pgerase.rules.pack import Acknowledgement


@dataclass(frozen=True, slots=True)
class Erasure:
    """What the database should hold for a data map; nothing where a finding refuses it.

    `undecided` says of kinds of people why their profiles cannot be told, where somebody asks for them.
    """

    objects: tuple[DesiredObject, ...]
    findings: tuple[Finding, ...]
    bound_map: BoundMap | None = None
    undecided: Mapping[str, tuple[Finding, ...]] = field(default_factory=dict[str, tuple[Finding, ...]])


class _Direct(Facts):
    """Facts read from the tables themselves: the eraser is exempt from row security on them."""

    def read(self, table: Name, columns: Iterable[str], *, decides_people: bool) -> str:
        self.tables.setdefault(table, set()).update(columns)
        return qualified(table)


def compile_erasure(
    data_map: DataMap,
    catalog: Catalog,
    naming: Naming,
    rules: BoundRules | None,
    governed: Collection[Name],
    acknowledged: Collection[Acknowledgement] = (),
    *,
    profiled: bool = False,
) -> Erasure:
    """Functions, guards, grants and exempt policies for a data map.

    `governed` are the tables that will have row security, `acknowledged` the code of others that somebody has looked at.
    `profiled`: the audit log asks for people's profiles.
    """
    bound_map, problems = bind_map(data_map, catalog)
    findings = [*problems, *_unanswered(bound_map, data_map)]
    undecided: dict[str, tuple[Finding, ...]] = {}
    functions: list[DesiredFunction] = []
    written: set[Name] = set()
    erased_from: set[Name] = set()
    read: set[Name] = set()
    is_erased = qualified(Name(naming.internal, "is_erased"))
    is_requested = qualified(Name(naming.internal, "is_requested"))
    nothing_personal = [
        name for name in catalog.tables if any(one.matches(TableName(name.name, name.schema)) for one in data_map.none)
    ]
    for subject in bound_map.subjects.values():
        work, problems = plan_work(bound_map, subject, catalog, nothing_personal)
        findings += problems
        facts = _Direct(naming, None, catalog)
        tables = [one.name for one in work]
        code = user_code(catalog, naming, tables)
        with_triggers = frozenset(name for name in tables if user_code(catalog, naming, [name]).triggers)
        asked = _Direct(naming, None, catalog)
        statement, asking = (
            Statement(
                bound_map,
                subject,
                work,
                Emitter(one),
                is_erased,
                is_requested,
                with_triggers,
                _required(subject, rules),
            )
            for one in (facts, asked)
        )
        made = [count_function(statement, naming, code)]
        # Reading happens while the parts are written, so only now is it known what is read.
        statement.reads |= set(facts.tables)
        made.append(
            erase_function(
                statement,
                naming,
                code,
                super_admin=_super_admin(subject, rules),
            )
        )
        made += state_functions(statement, naming)
        if profiled:
            whens, undecided[subject.name] = bind_profiles(data_map, catalog, subject)
            if not undecided[subject.name]:
                made.append(profile_function(asking, naming, whens))
                statement.reads |= set(asked.tables)
        findings += dict.fromkeys([*statement.findings, *statement.unwritable()])
        functions += made
        written |= {*tables, subject.table.name}
        erased_from |= {*tables, *([subject.table.name] if subject.lifecycle is not None else [])}
        read |= statement.reads
    run = user_code(catalog, naming, sorted(erased_from), sorted(written | read))
    findings += code_findings(run, catalog, written | read, acknowledged, data_map.at)
    if any(finding.severity is Severity.ERROR for finding in findings):
        return Erasure((), tuple(dict.fromkeys(findings)), bound_map, undecided)
    guard_functions, guard_triggers = erased_guards(bound_map, naming, catalog)
    objects: list[DesiredObject] = [
        *_grants(catalog, naming, written, read - written),
        *_exempt(catalog, naming, governed, written, read - written),
        *check_functions(naming),
        *functions,
        *guard_functions,
        *_sorted_triggers(guard_triggers),
    ]
    return Erasure(tuple(objects), tuple(dict.fromkeys(findings)), bound_map, undecided)


def _sorted_triggers(triggers: Iterable[DesiredTrigger]) -> list[DesiredTrigger]:
    return sorted(triggers, key=lambda one: (one.table, one.name))


def _same_people(subject: BoundSubject, rules: BoundRules | None) -> BoundRules | None:
    """The access rules, where their viewers are the subject's people."""
    return (
        rules
        if rules is not None and rules.people is not None and rules.people.table.name == subject.table.name
        else None
    )


def _super_admin(subject: BoundSubject, rules: BoundRules | None) -> BoundCondition | None:
    known = _same_people(subject, rules)
    return known.people.super_admin if known is not None and known.people is not None else None


def _required(subject: BoundSubject, rules: BoundRules | None) -> Mapping[Name, tuple[BoundRequirement, ...]]:
    """What is required of readers, by table."""
    known = _same_people(subject, rules)
    return {
        resource.table.name: tuple(one for one in resource.requirements if Action.READ in one.can)
        for resource in (known.resources if known is not None else ())
    }


def _unanswered(bound_map: BoundMap, data_map: DataMap) -> Iterable[Finding]:
    """Tables that point to a subject and of which the map says nothing."""
    for reference in bound_map.references:
        subject = next((one for one in bound_map.subjects.values() if one.table.name == reference.hop.target), None)
        if subject is None or not reference.constrained:
            continue
        source = TableName(reference.source.name, reference.source.schema)
        mapped = bound_map.tables.get(reference.source)
        held = set(reference.hop.columns)
        if mapped is None:
            if any(one.matches(source) for one in data_map.none):
                continue
            message = f"{reference.source} points to {subject.name}s ({reference.label}), and the map does not name it"
            hint = f"Map {reference.source} with links: {{{', '.join(reference.hop.columns)}: {subject.name}}}."
            yield Finding("unmapped-table", Severity.ERROR, str(reference.source), message, hint, data_map.at)
        elif not any(held <= set(link.path.columns) and link.path.is_direct for link in mapped.links):
            message = (
                f"{reference.source} points to {subject.name}s by {', '.join(reference.hop.columns)}, which is no link"
            )
            hint = "Name it under links:, with rows: keep if nothing is to happen."
            yield Finding("unmapped-link", Severity.ERROR, str(reference.source), message, hint, mapped.at)


def _grants(catalog: Catalog, naming: Naming, written: set[Name], read: set[Name]) -> list[DesiredGrant]:
    """What the eraser needs on application tables, and the ledger's owner to call it."""
    open_to_all = {
        schema.name
        for schema in catalog.schemas.values()
        if any(grant.grantee == "public" and grant.privilege == "USAGE" for grant in schema.grants)
    }
    schemas = sorted({name.schema for name in (*written, *read)} - open_to_all)
    return [
        *(DesiredGrant("schema", ident(schema), "usage", naming.eraser) for schema in schemas),
        *(
            DesiredGrant("table", qualified(name), privilege, naming.eraser)
            for name in sorted(written)
            for privilege in ("select", "update", "delete")
        ),
        *(DesiredGrant("table", qualified(name), "select", naming.eraser) for name in sorted(read)),
    ]


def _exempt(
    catalog: Catalog, naming: Naming, governed: Collection[Name], written: set[Name], read: set[Name]
) -> list[DesiredPolicy]:
    """Policies that hide nothing from the eraser, where there is row security or will be."""
    secured = set(leaves_too(catalog, governed))
    policies: list[DesiredPolicy] = []
    why = "The eraser sees every row of what the data map names. [pgerase exempt]"
    for tables, commands in ((written, ("SELECT", "UPDATE", "DELETE")), (read, ("SELECT",))):
        for name in leaves_too(catalog, sorted(tables)):
            if not catalog.tables[name].rls_enabled and name not in secured:
                continue
            policies += [
                DesiredPolicy(
                    name,
                    naming.policy("eraser", command.lower()),
                    command,
                    True,
                    (naming.eraser,),
                    "true",
                    "true" if command == "UPDATE" else None,
                    why,
                )
                for command in commands
            ]
    return policies
