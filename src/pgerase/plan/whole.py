"""From a pack and a snapshot to the plan that a command shows: compiled, planned, and judged for what will answer differently. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pgerase.catalog.model import Catalog, Name
from pgerase.check.impact import impact, unacknowledged
from pgerase.compile import compile_pack
from pgerase.compile.desired import Desired, DesiredMembership, DesiredPolicy
from pgerase.plan.build import plan_pack
from pgerase.plan.masked import mask_impacts
from pgerase.plan.model import Ledger, Plan
from pgerase.plan.objects import sha256_json
from pgerase.render.live import own_roles
from pgerase.rules.pack import Pack
from pgerase.rules.record import RecordedRules, plain_text, rules_text


def plan_whole(pack: Pack, catalog: Catalog, ledger: Ledger) -> Plan:
    """The plan for a pack. Among its findings is whatever will answer differently and pack.yaml does not acknowledge."""
    desired = compile_pack(pack, catalog)
    impacts = impact(
        catalog,
        [name for name in desired.governed if name not in desired.secured],
        viewers=_viewers(desired),
        exempt=_exempt(desired),
        migrator=pack.settings.migrator,
        prefix=pack.settings.prefix,
    )
    made = replace(plan_pack(pack, desired, catalog, ledger), rules=_rules(pack, desired, ledger))
    return replace(
        made, findings=(*made.findings, *unacknowledged((*impacts, *mask_impacts(desired, catalog)), pack.settings))
    )


def _rules(pack: Pack, desired: Desired, ledger: Ledger) -> str | None:
    """What the ledger is to keep of the rules, None where it does. Where nothing is governed the next rules compare with nothing."""
    if ledger.rules is None:
        return None
    if pack.access is None or not desired.governed:
        return "" if ledger.rules else None
    opened = tuple((name.schema, name.name, f"{how} [{_terms(pack)}]") for name, how in desired.opened)
    text = rules_text(RecordedRules(pack.access, tuple((one.schema, one.name) for one in desired.governed), opened))
    return None if text == ledger.rules else text


def _terms(pack: Pack) -> str:
    """A hash of what decides who may hold support grants, and whether people allow it: conditions, and what they may name."""
    assert pack.access is not None
    support = None if pack.audit is None else pack.audit.support
    if support is None:
        return ""
    glass = support.break_glass
    how = (support.who, support.switch, None if glass is None else (glass.who, glass.second_person))
    return sha256_json([plain_text(how), plain_text(pack.access.viewers), plain_text(pack.access.groups)])[:16]


def _viewers(desired: Desired) -> set[str]:
    """The roles that will be members of the viewers' role."""
    viewer = f"{desired.prefix}_viewer"
    return {one.member for one in desired.objects if isinstance(one, DesiredMembership) and one.role == viewer}


def _exempt(desired: Desired) -> Mapping[str, set[Name]]:
    """The services, and the tables each reads without a rule."""
    own = own_roles(desired.prefix)
    found: dict[str, set[Name]] = {}
    for one in desired.objects:
        if (
            isinstance(one, DesiredPolicy)
            and one.permissive
            and one.using == "true"
            and one.command in {"SELECT", "ALL"}
        ):
            for role in set(one.roles) - {*own, "public"}:
                found.setdefault(role, set()).add(one.table)
    for mask in desired.masks:
        for role in mask.exempt:
            found.setdefault(role, set()).add(mask.table)
    return found
