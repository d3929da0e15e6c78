"""compile_pack: a pack and a catalog in, everything the database should hold out."""

from __future__ import annotations

from collections.abc import Iterable

from pgerase.catalog.model import Catalog, Name
from pgerase.compile import bound, sql
from pgerase.compile.bind import bind
from pgerase.compile.decisions import DecisionEmitter
from pgerase.compile.desired import (
    Desired,
    DesiredGrant,
    DesiredMembership,
    DesiredObject,
    DesiredPolicy,
    DesiredRoleSetting,
    DesiredRowSecurity,
    DesiredView,
)
from pgerase.compile.emit import Emitter, Facts, row_env
from pgerase.compile.guards import guards
from pgerase.compile.naming import Naming
from pgerase.compile.sql import formula_text, qualified
from pgerase.compile.views import ViewBuilder
from pgerase.errors import Finding, Position, Severity
from pgerase.rules.conditions import Action
from pgerase.rules.names import TableName
from pgerase.rules.pack import Mode, Pack

_COMMANDS = {Action.READ: "SELECT", Action.INSERT: "INSERT", Action.UPDATE: "UPDATE", Action.DELETE: "DELETE"}


def compile_pack(pack: Pack, catalog: Catalog) -> Desired:
    """What the database should hold for this pack. Findings of severity error mean that nothing of it may be applied."""
    naming = Naming(pack.settings.prefix)
    findings: list[Finding] = []
    if pack.data_map is not None:
        findings.append(_not_yet("data_map.yaml", pack.data_map.at))
    if pack.access is None:
        return Desired(pack.settings.prefix, (), (), tuple(findings))
    rules, problems = bind(pack.access, catalog)
    findings += problems
    modes, problems = adoption(pack, rules, catalog)
    findings += problems
    if any(finding.severity is Severity.ERROR for finding in findings):
        return Desired(pack.settings.prefix, (), (), tuple(findings))
    facts = Facts(naming, rules.people)
    emitter = Emitter(facts)
    decisions = DecisionEmitter(rules, emitter)
    governed = [resource for resource in rules.resources if modes[resource.name] is Mode.ON]
    policies = [policy for resource in governed for policy in _policies(resource, decisions, naming)]
    guard_functions, guard_triggers = (), ()
    views: tuple[DesiredView, ...] = ()
    if governed:
        # Twice: what guards read has to be in the views, and views decide which columns are guarded.
        ViewBuilder(rules, catalog, facts).build()
        guard_functions, guard_triggers, guard_findings = guards(rules, catalog, emitter)
        findings += guard_findings
        views = ViewBuilder(rules, catalog, facts).build()
    tables = tuple(resource.table.name for resource in governed)
    exempt = _exempt(pack, catalog, naming, rules, facts, governed, findings)
    objects: list[DesiredObject] = [
        *_members(pack, rules, catalog, naming, governed, findings),
        *_lookup_grants(facts, rules, naming, views),
        *views,
        *guard_functions,
        *guard_triggers,
        *exempt,
        *policies,
        *(DesiredRowSecurity(leaf) for table in tables for leaf in (table, *catalog.leaves(table))),
        *_migrator(pack, governed, findings, catalog),
    ]
    if any(finding.severity is Severity.ERROR for finding in findings):
        objects = []
    return Desired(pack.settings.prefix, tuple(objects), tables, tuple(findings))


def _not_yet(what: str, at: Position) -> Finding:
    return Finding(
        "not-compiled-yet", Severity.ERROR, what, f"{what}: this release reads but does not compile it", "", at
    )


def adoption(pack: Pack, rules: bound.BoundRules, catalog: Catalog) -> tuple[dict[str, Mode], tuple[Finding, ...]]:
    """The mode of every resource. Named tables have what the pack says; where it names none, all are on."""
    findings: list[Finding] = []
    named: dict[Name, Mode] = {}
    resources = {resource.table.name: resource for resource in rules.resources}
    for entry in pack.settings.tables:
        found = [name for name in catalog.tables if _matches(entry.table, name)]
        if len(found) != 1:
            findings.append(
                Finding(
                    "unknown-table",
                    Severity.ERROR,
                    str(entry.table),
                    f"{entry.table} matches {len(found)} tables",
                    "",
                    entry.at,
                )
            )
        elif found[0] not in resources and entry.mode is not Mode.OFF:
            message = f"{found[0]} is adopted but access.yaml has no resource for it"
            findings.append(Finding("adopted-without-rules", Severity.ERROR, str(found[0]), message, "", entry.at))
        else:
            named[found[0]] = entry.mode
    default = Mode.OFF if pack.settings.tables else Mode.ON
    modes = {resource.name: named.get(resource.table.name, default) for resource in rules.resources}
    for resource in rules.resources:
        if modes[resource.name] is not Mode.ON and pack.settings.tables and resource.table.name not in named:
            message = f"{resource.table.name} has rules but pack.yaml does not adopt it: it stays off"
            findings.append(
                Finding(
                    "not-adopted",
                    Severity.WARNING,
                    str(resource.table.name),
                    message,
                    "Add it under tables:.",
                    resource.at,
                )
            )
    return modes, tuple(findings)


def _matches(wanted: TableName, name: Name) -> bool:
    return wanted.name == name.name and wanted.schema in (None, name.schema)


# Policies -------------------------------------------------------------------------------------------------------------


def _policies(resource: bound.BoundResource, decisions: DecisionEmitter, naming: Naming) -> Iterable[DesiredPolicy]:
    """One permissive policy a command, and one restrictive policy a requirement and command."""
    table = resource.table.name
    old = row_env(table.name, as_set=True)
    new = row_env(table.name, as_set=False)
    for action, command in _COMMANDS.items():
        using = None if action is Action.INSERT else formula_text(decisions.permissive(resource, action, old))
        check = None
        if action in (Action.INSERT, Action.UPDATE):
            check = formula_text(decisions.permissive(resource, action, new, new=True))
        yield _policy(resource, naming.policy(action), command, True, naming, using, check, _why(resource, action))
        for requirement in decisions.required(resource, action):
            held_old = (
                None if action is Action.INSERT else formula_text(decisions.requirement(resource, requirement, old))
            )
            held_new = None
            if action in (Action.INSERT, Action.UPDATE):
                held_new = formula_text(decisions.requirement(resource, requirement, new))
            why = f"Requirement {requirement.name} ({requirement.at})."
            name = naming.policy("require", requirement.name, action)
            yield _policy(resource, name, command, False, naming, held_old, held_new, why)


def _policy(
    resource: bound.BoundResource,
    name: str,
    command: str,
    permissive: bool,
    naming: Naming,
    using: str | None,
    check: str | None,
    why: str,
) -> DesiredPolicy:
    for text in (using, check):
        if text is not None:
            sql.assert_expression(text)
    comment = f"{why} [pgerase resource={resource.name}]"
    return DesiredPolicy(resource.table.name, name, command, permissive, (naming.viewer,), using, check, comment)


def _why(resource: bound.BoundResource, action: Action) -> str:
    """The sentence on a permissive policy: what lets a viewer do this, with the places in the rule files."""
    reasons: list[str] = []
    if action in resource.open:
        reasons.append("everyone")
    reasons += [f"{rule.name} ({rule.at})" for rule in resource.rules if action in rule.can]
    reasons += [f"through {parent.resource} ({parent.at})" for parent in resource.parents]
    reasons += [f"combined by {entry.name} ({entry.at})" for entry in resource.combine]
    return f"Who may {action} {resource.name}: {'; '.join(reasons) or 'super admins only'}."


# What surrounds them --------------------------------------------------------------------------------------------------


def _covered(catalog: Catalog, tables: Iterable[Name]) -> list[Name]:
    """Tables and all their leaves, each once, in order of first appearance."""
    return list(dict.fromkeys(name for table in tables for name in (table, *catalog.leaves(table))))


def _exempt(
    pack: Pack,
    catalog: Catalog,
    naming: Naming,
    rules: bound.BoundRules,
    facts: Facts,
    governed: list[bound.BoundResource],
    findings: list[Finding],
) -> list[DesiredPolicy]:
    """SELECT for pgerase's own lookup role on what it reads, and for services, on every governed table and leaf."""
    policies: list[DesiredPolicy] = []
    tables = [resource.table.name for resource in governed]
    read = _read_by_lookup(facts, rules)
    for name in _covered(catalog, tables):
        if any(name == table or name in catalog.leaves(table) for table in read):
            policies.append(
                _exempt_policy(
                    name, naming.policy("lookup", "reads"), naming.lookup, "Blind lookups of pgerase itself."
                )
            )
    for service in pack.settings.services:
        if service.role not in catalog.roles:
            findings.append(
                Finding(
                    "unknown-role", Severity.ERROR, service.role, f"there is no role {service.role}", "", service.at
                )
            )
            continue
        wanted = tables
        if service.tables is not None:
            wanted = [name for name in tables if any(_matches(one, name) for one in service.tables)]
        for name in _covered(catalog, wanted):
            policies.append(
                _exempt_policy(
                    name,
                    naming.policy("service", service.role),
                    service.role,
                    f"Service {service.role}: {service.reason}.",
                )
            )
    return policies


def _read_by_lookup(facts: Facts, rules: bound.BoundRules) -> set[Name]:
    """Application tables that the blind views select from."""
    read = set(facts.tables)
    read |= {rules.resource(name).table.name for name, _ in facts.may}
    read |= {rules.resource(name).table.name for name, _ in facts.meets}
    if rules.people is not None:
        read.add(rules.people.table.name)
    return read


def _exempt_policy(table: Name, name: str, role: str, why: str) -> DesiredPolicy:
    return DesiredPolicy(table, name, "SELECT", True, (role,), "true", None, f"{why} [pgerase exempt]")


def _lookup_grants(
    facts: Facts, rules: bound.BoundRules, naming: Naming, views: tuple[DesiredView, ...]
) -> list[DesiredGrant]:
    """SELECT on what the blind views read, and USAGE on its schemas."""
    if not views:
        return []
    tables = sorted(_read_by_lookup(facts, rules))
    schemas = sorted({table.schema for table in tables})
    api = sql.ident(naming.api)
    return [
        # Guards and their question live where viewers may call them, with the views' owner as theirs.
        DesiredGrant("schema", api, "usage", naming.lookup),
        DesiredGrant("schema", api, "create", naming.lookup),
        *(DesiredGrant("schema", sql.ident(schema), "usage", naming.lookup) for schema in schemas),
        *(DesiredGrant("table", qualified(table), "select", naming.lookup) for table in tables),
    ]


def _members(
    pack: Pack,
    rules: bound.BoundRules,
    catalog: Catalog,
    naming: Naming,
    governed: list[bound.BoundResource],
    findings: list[Finding],
) -> list[DesiredMembership]:
    """Logins of applications and roles named in rules become members of the viewer role."""
    if not governed:
        return []
    named = {role for resource in rules.resources for rule in resource.rules for role in rule.roles}
    app = pack.settings.app or (catalog.current_user,)
    for role in app:
        if role not in catalog.roles:
            findings.append(
                Finding("unknown-role", Severity.ERROR, role, f"there is no role {role}", "", pack.settings.at)
            )
    return [DesiredMembership(naming.viewer, role) for role in sorted({*app, *named}) if role in catalog.roles]


def _migrator(
    pack: Pack, governed: list[bound.BoundResource], findings: list[Finding], catalog: Catalog
) -> list[DesiredRoleSetting]:
    """The migrator's statements fail instead of seeing nothing, unless it is also an application login."""
    migrator = pack.settings.migrator
    if migrator is None or not governed:
        return []
    if migrator not in catalog.roles:
        findings.append(
            Finding("unknown-role", Severity.ERROR, migrator, f"there is no role {migrator}", "", pack.settings.at)
        )
        return []
    if migrator in (pack.settings.app or (catalog.current_user,)):
        return []
    return [DesiredRoleSetting(migrator, "row_security", "off")]
