"""compile_pack: a pack and a catalog in, everything the database should hold out."""

from __future__ import annotations

from collections.abc import Iterable

from pgerase.catalog.model import Catalog, Name
from pgerase.compile import bound, sql
from pgerase.compile.aggregates import Aggregates
from pgerase.compile.announcing import announcing_objects
from pgerase.compile.audit import Audit, compile_audit, has_profiles
from pgerase.compile.bind import bind
from pgerase.compile.column_guards import ColumnGuards
from pgerase.compile.column_rights import ColumnRights
from pgerase.compile.decisions import DecisionEmitter
from pgerase.compile.desired import (
    Desired,
    DesiredObject,
    DesiredPolicy,
    DesiredRowSecurity,
)
from pgerase.compile.emit import Emitter, Facts, row_env
from pgerase.compile.erasure import Erasure, compile_erasure
from pgerase.compile.erasure.code import UserCode, code_findings
from pgerase.compile.guards import guards
from pgerase.compile.hand_over import hand_over_objects
from pgerase.compile.masks import mask_names, mask_notes, mask_surroundings, mask_views, masked, masks
from pgerase.compile.members import member_objects, read_members
from pgerase.compile.naming import Naming
from pgerase.compile.secured import secured, secured_masks, secured_notes, secured_views
from pgerase.compile.sql import disjunction, formula_text
from pgerase.compile.support import SupportAccess, support_access
from pgerase.compile.surroundings import (
    exempt,
    idle_logins,
    leaves_too,
    lookup_grants,
    matches,
    members,
    migrator,
    unknown_roles,
    unknown_schemas,
)
from pgerase.compile.views import ViewBuilder
from pgerase.errors import Finding, Severity
from pgerase.rules.conditions import Action
from pgerase.rules.pack import Mode, Pack

_COMMANDS = {Action.READ: "SELECT", Action.INSERT: "INSERT", Action.UPDATE: "UPDATE", Action.DELETE: "DELETE"}


def compile_pack(pack: Pack, catalog: Catalog) -> Desired:
    """What the database should hold for this pack. Findings of severity error mean that nothing of it may be applied."""
    if pack.access is None:
        objects, findings = _people(pack, catalog, None, ())
        # Without rules there is nobody to let in but those who say, in the log, what for they write.
        writers = members(pack, (), catalog, Naming(pack.settings.prefix)) if pack.audit is not None else []
        wrong = unknown_roles(pack, catalog) if writers else ()
        return Desired(pack.settings.prefix, (*writers, *objects) if not wrong else (), (), (*wrong, *findings))
    rules, problems = bind(pack.access, catalog, None if pack.audit is None else pack.audit.support)
    modes, wrong = adoption(pack, rules, catalog)
    found = (*problems, *wrong, *unknown_roles(pack, catalog), *unknown_schemas(pack, catalog))
    if any(finding.severity is Severity.ERROR for finding in found):
        return Desired(pack.settings.prefix, (), (), found)
    governed = [resource for resource in rules.resources if modes[resource.name] is Mode.ON]
    if governed:
        return _govern(pack, catalog, rules, governed, found)
    objects, findings = _people(pack, catalog, rules, ()) if pack.audit is not None else ((), ())
    return Desired(pack.settings.prefix, objects, (), (*found, *findings))


def _govern(
    pack: Pack,
    catalog: Catalog,
    rules: bound.BoundRules,
    governed: list[bound.BoundResource],
    before: tuple[Finding, ...],
) -> Desired:
    """What governs these resources, with what erases and captures; the findings follow those of `before`."""
    naming = Naming(pack.settings.prefix)
    findings = [*before]
    facts = Facts(naming, rules.people, catalog)
    emitter = Emitter(facts)
    decisions = DecisionEmitter(rules, emitter)
    securing = secured(governed)
    guarded = tuple(resource for resource in governed if resource not in securing)
    support = support_access(pack, rules, governed, decisions, ViewBuilder(rules, catalog, facts))
    policies = [policy for resource in guarded for policy in _policies(resource, decisions, support, naming)]
    handing, problems = hand_over_objects(rules, guarded, decisions, ViewBuilder(rules, catalog, facts))
    findings += problems
    read_members(rules, emitter)
    announcing = announcing_objects(pack.audit.support if pack.audit is not None else None, pack.data_map, facts)
    rights = ColumnRights(emitter)
    column_functions, column_triggers, column_notes = ColumnGuards(rights, catalog).make(guarded)
    hiding = masked(guarded)
    names = mask_names((*hiding, *securing), naming)
    shown = (*mask_views(hiding, names, rights), *secured_views(securing, names, decisions, rights))
    aggregates = Aggregates(rules, governed, decisions, ViewBuilder(rules, catalog, facts))
    grouped = aggregates.objects()
    findings += aggregates.findings(names.values())
    supporting, reading = support.objects(), support.reading(names)
    findings += support.findings()
    # Twice: views decide which columns are guarded, and what guards read has to be in the views.
    ViewBuilder(rules, catalog, facts).build()
    guard_functions, guard_triggers, notes = guards(rules, catalog, emitter)
    views = ViewBuilder(rules, catalog, facts).build()
    tables = tuple(resource.table.name for resource in guarded)
    every_table = tuple(resource.table.name for resource in governed)
    by_hand, problems = member_objects(rules, tables, ViewBuilder(rules, catalog, facts))
    findings += problems
    objects: list[DesiredObject] = [
        *members(pack, rules.resources, catalog, naming),
        *lookup_grants(catalog, facts, rules, naming, every_table),
        *views,
        *supporting,
        *announcing,
        *handing,
        *guard_functions,
        *by_hand,
        *guard_triggers,
        *support.guard(),
        *column_functions,
        *column_triggers,
        *mask_surroundings((*hiding, *securing), catalog, naming),
        *shown,
        *reading,
        *grouped,
        *exempt(pack, catalog, naming, tables),
        *policies,
        *(DesiredRowSecurity(name) for name in leaves_too(catalog, tables)),
        *migrator(pack, catalog),
    ]
    of_people, said = _people(pack, catalog, rules, tables)
    grouped_tables = {one.table for one in aggregates.shown()}
    found = (
        *(*findings, *notes, *column_notes, *mask_notes(hiding)),
        *secured_notes(securing, facts, grouped_tables, naming),
        *(*idle_logins(pack, catalog), *said),
    )
    by_view = (*masks(hiding, names), *secured_masks(securing, names, pack))
    return Desired(
        pack.settings.prefix, (*objects, *of_people), every_table, found, by_view, aggregates.shown(), support.opened()
    )


def _people(
    pack: Pack, catalog: Catalog, rules: bound.BoundRules | None, governed: tuple[Name, ...]
) -> tuple[tuple[DesiredObject, ...], tuple[Finding, ...]]:
    """What erases people's data and captures what happens to it: objects and findings."""
    naming = Naming(pack.settings.prefix)
    erasing = _erasing(pack, catalog, naming, rules, governed)
    audit = Audit((), ()) if pack.audit is None else compile_audit(pack.audit, erasing, catalog, naming)
    return (*erasing.objects, *audit.objects), (*erasing.findings, *audit.findings)


def _erasing(
    pack: Pack, catalog: Catalog, naming: Naming, rules: bound.BoundRules | None, governed: tuple[Name, ...]
) -> Erasure:
    if pack.data_map is None:
        nothing = code_findings(UserCode((), ()), catalog, (), pack.settings.acknowledged, pack.settings.at)
        return Erasure((), tuple(nothing))
    return compile_erasure(
        pack.data_map,
        catalog,
        naming,
        rules,
        governed,
        pack.settings.acknowledged,
        profiled=pack.audit is not None and has_profiles(pack.audit),
    )


def adoption(pack: Pack, rules: bound.BoundRules, catalog: Catalog) -> tuple[dict[str, Mode], tuple[Finding, ...]]:
    """The mode of every resource. Named tables have what the pack says; where it names none, all are on."""
    findings: list[Finding] = []
    named: dict[Name, Mode] = {}
    resources = {resource.table.name: resource for resource in rules.resources}
    written = [] if pack.access is None else [resource.table for resource in pack.access.resources]
    for entry in pack.settings.tables:
        found = [name for name in catalog.tables if matches(entry.table, name)]
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
        elif found[0] not in resources and any(matches(one, found[0]) for one in written):
            continue  # its rules could not be bound, which was said
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


# Policies -------------------------------------------------------------------------------------------------------------


def _policies(
    resource: bound.BoundResource, decisions: DecisionEmitter, support: SupportAccess, naming: Naming
) -> Iterable[DesiredPolicy]:
    """One permissive policy a command, and one restrictive policy a requirement and command."""
    table = resource.table.name
    old = row_env(table.name, as_set=True)
    new = row_env(table.name, as_set=False)
    for action, command in _COMMANDS.items():
        granted = decisions.permissive(resource, action, old)
        also: tuple[str, ...] = ()
        if action is Action.READ:
            # Here alone: whatever else asks for a decision does without support access.
            granted, also = disjunction((granted, support.arms(resource, table.name))), support.why(resource)
        using = None if action is Action.INSERT else formula_text(granted)
        check = None
        if action in (Action.INSERT, Action.UPDATE):
            check = formula_text(decisions.permissive(resource, action, new, new=True))
        yield _policy(
            resource, naming.policy(action), command, True, naming, using, check, _why(resource, action, also)
        )
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


def _why(resource: bound.BoundResource, action: Action, also: tuple[str, ...]) -> str:
    """The sentence on a permissive policy: what lets a viewer do this, with the places in the rule files."""
    reasons: list[str] = []
    if action in resource.open:
        reasons.append("everyone")
    reasons += [f"{rule.name} ({rule.at})" for rule in resource.rules if action in rule.can]
    reasons += [f"through {parent.resource} ({parent.at})" for parent in resource.parents]
    reasons += [f"combined by {entry.name} ({entry.at})" for entry in resource.combine]
    reasons += also
    return f"Who may {action} {resource.name}: {'; '.join(reasons) or 'super admins only'}."
