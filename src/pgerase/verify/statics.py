"""What can be told without trying: is everything as planned and as applied, which doors are open, is the server sound. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from pgerase.catalog.model import Catalog, Name
from pgerase.check.door import judge
from pgerase.check.doors import doors
from pgerase.check.server_version import judge_server
from pgerase.compile.desired import Desired
from pgerase.counts import counted
from pgerase.errors import Finding, Severity
from pgerase.plan.build import plan_pack
from pgerase.plan.drift import Installed, find_drift
from pgerase.plan.model import Ledger, Plan
from pgerase.render.live import own_roles
from pgerase.rules.access import Everyone, IdentityKind
from pgerase.rules.data_map import PersonalColumn
from pgerase.rules.names import TableName
from pgerase.rules.pack import AcceptedDoor, Pack
from pgerase.verify.collect import Collector
from pgerase.verify.guard_shape import Restricted, misshapen, misshapen_columns
from pgerase.verify.model import Verdict


def compare_statics(
    pack: Pack,
    catalog: Catalog,
    ledger: Ledger,
    installed: Installed,
    desired: Desired,
    accepted: Collection[AcceptedDoor],
    collector: Collector,
) -> None:
    """Judge plan, drift, doors and the server; findings and lines go to the collector."""
    prefix = pack.settings.prefix
    plan = plan_pack(pack, desired, catalog, ledger)
    pending = _pending(plan)
    _objects(plan, collector)
    _line(collector, "plan", "as the rules want it", counted(len(plan.steps), "object"), pending)
    drift = find_drift(catalog, ledger, prefix, installed)
    _line(collector, "drift", "as apply left it", counted(len(ledger.rows), "object"), drift)
    own = own_roles(prefix)
    viewers = [key.parts[1] for key in ledger.rows if key.kind.value == "membership" and key.parts[1] not in own]
    known = (*pack.settings.accepted, *accepted)
    # That the installer reads the ledger is how it was installed; that he could do anything is a door of its own.
    ledger_right = f"{installed.installer}/{prefix}_internal"
    # Whoever acts as an application's login has no token of anybody: nobody speaks for others there either.
    by_login = pack.identity in (IdentityKind.ROLE, IdentityKind.TOKEN)
    open_doors = doors(
        catalog,
        desired.governed,
        prefix,
        viewers=viewers,
        by_login=by_login,
        personal=_personal(pack, catalog),
        shown=_shown(pack, catalog),
        exempt=desired.exempt,
    )
    found = [door for door in open_doors if door.name != ledger_right]
    # The pack's own entries have to fit something; those given besides may be more than there is.
    named = {entry.at for entry in pack.settings.accepted}
    judged = [finding for finding in judge(found, known) if finding.code != "unknown-acceptance" or finding.at in named]
    _line(collector, "doors", "ways around row security", f"{len(found)} found", judged)
    extent = f"PostgreSQL {catalog.server_version // 10000}.{catalog.server_version % 10000}"
    server = judge_server(catalog.server_version, known)
    _line(collector, "server", "known holes in row security", extent, server)
    collector.findings += [finding for finding in desired.findings if finding.severity is Severity.ERROR]


def _personal(pack: Pack, catalog: Catalog) -> Mapping[Name, tuple[str, ...]]:
    """Columns that the pack's data map says hold personal data."""
    mapped = () if pack.data_map is None else pack.data_map.tables
    return {
        name: tuple(column.column for column in table.columns if isinstance(column, PersonalColumn))
        for table in mapped
        for name in _named(table.table, catalog)
    }


def _shown(pack: Pack, catalog: Catalog) -> frozenset[Name]:
    """Tables that hide nothing from anybody who may write: read by everyone, with nothing that takes rows or columns away."""
    resources = () if pack.access is None else pack.access.resources
    return frozenset(
        name
        for resource in resources
        if resource.everyone is not Everyone.NONE
        and not (resource.require or resource.inherits or resource.combine or resource.columns)
        for name in _named(resource.table, catalog)
    )


def _named(table: TableName, catalog: Catalog) -> tuple[Name, ...]:
    """The tables a rule file may mean by a name that may leave the schema out."""
    return tuple(name for name in catalog.tables if name.name == table.name and table.schema in (None, name.schema))


def compare_guards(
    catalog: Catalog,
    guarded: Mapping[Name, tuple[str, ...]],
    restricted: Mapping[Name, Restricted],
    prefix: str,
    collector: Collector,
) -> None:
    """Judge the guards of columns that decide about people and of restricted ones; findings and lines go to the collector."""
    for name, count, found in (
        ("guards", len(guarded), misshapen(catalog, guarded, prefix)),
        ("column guards", len(restricted), misshapen_columns(catalog, restricted, prefix)),
    ):
        if count:
            extent = counted(count, "table")
            _line(collector, name, "judge by what was before", extent, found)


def _pending(plan: Plan) -> list[Finding]:
    hint = "See `pgerase plan`; `pgerase apply` puts it right."
    found = [
        Finding(
            "pending",
            Severity.ERROR,
            str(step.key),
            f"expected as the rules want it; plan would {step.change.value}",
            hint,
        )
        for step in plan.pending
    ]
    return [*found, *plan.refusals]


def _objects(plan: Plan, collector: Collector) -> None:
    """A line a kind of object: how many there are, and whether all are as wanted."""
    kinds = Counter(step.key.kind.value for step in plan.steps)
    changed = Counter(step.key.kind.value for step in plan.pending)
    for kind, count in sorted(kinds.items()):
        what = kind.replace("_", " ")
        verdict = Verdict.FAIL if changed[kind] else Verdict.OK
        collector.looked(what, "as wanted", f"{count - changed[kind]} of {count}", verdict)


def _line(collector: Collector, name: str, what: str, extent: str, findings: Iterable[Finding]) -> None:
    found = list(findings)
    collector.findings += found
    wrong = any(finding.severity is not Severity.NOTE for finding in found)
    collector.looked(name, what, extent, Verdict.FAIL if wrong else Verdict.OK)
