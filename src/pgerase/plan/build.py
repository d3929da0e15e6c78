"""Compares what should be with what is, and says step by step how to get there. Pure: it reads values and returns one.

An object is the same when the ledger's hash of its source is that of the desired one *and* the server spells it as it did when
it was made. Our text is never compared with the server's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pgerase.catalog.model import Catalog, Name, Policy
from pgerase.compile.desired import (
    Desired,
    DesiredFunction,
    DesiredGrant,
    DesiredLogClass,
    DesiredMembership,
    DesiredObject,
    DesiredPolicy,
    DesiredReads,
    DesiredRoleSetting,
    DesiredRowSecurity,
    DesiredTrigger,
    DesiredView,
)
from pgerase.errors import Finding, InternalError, Severity
from pgerase.plan.fingerprint import fingerprint, relied_on
from pgerase.plan.foreign import MARK, Adopted, adopt, existing_by_table, fence, unfenced
from pgerase.plan.keeping import change_of, shortened
from pgerase.plan.masked import narrow
from pgerase.plan.model import Action, Change, Ledger, Plan, Step
from pgerase.plan.objects import Key, Kind, canonical, key_of, sha256_json, single, source_sha256
from pgerase.plan.order import Uses, dependents_first
from pgerase.plan.removal import Remover
from pgerase.plan.steps import Maker
from pgerase.render.fragments import quote_identifier
from pgerase.rules.pack import Existing, Pack, PackSettings

_MEMBERSHIPS_INHERIT = 160000
"""Since this version, inheriting is said by the membership and not by the member."""

_SHARED = frozenset({Kind.ROW_SECURITY, Kind.READS, Kind.GRANT, Kind.MEMBERSHIP, Kind.ROLE_SETTING, Kind.LOG_CLASS})
"""Facts that may hold before pgerase says so; making them again is harmless, and undo knows what was there."""


def make_plan(
    desired: Desired,
    catalog: Catalog,
    ledger: Ledger,
    settings: PackSettings,
    rule_files: tuple[tuple[str, str], ...] = (),
) -> Plan:
    """The plan that makes the database hold `desired`.

    Never raises for what it finds: what cannot be done is a finding of severity error in the plan, all of them at once,
    and `apply` refuses such a plan.
    """
    if any(finding.severity is Severity.ERROR for finding in desired.findings):
        # What cannot be compiled is no empty pack: its plan says why, and drops nothing.
        return _of(desired, catalog, ledger, settings, rule_files, (), (), desired.findings)
    governed = frozenset(
        wanted.table for wanted in desired.objects if isinstance(wanted, DesiredPolicy | DesiredRowSecurity)
    )
    existing = existing_by_table(catalog, settings, governed)
    adopted = adopt(catalog, ledger, desired.prefix, existing)
    narrowed = narrow(desired, catalog, ledger, adopted)
    desired = narrowed.desired
    wanted = _wanted(desired, existing)
    builder = _Builder(catalog, ledger, desired.prefix)
    steps = builder.build(wanted, adopted, existing)
    sql = [text for step in steps for text in (*step.before, *step.statements)]
    # Steps that are the same have no SQL: what they rely on is in the text they were made from.
    sql += [text for one in wanted.values() for text in _texts(one)]
    tables = relied_on(catalog, {*desired.governed, *governed, *builder.tables}, sql)
    hindered = (*adopted.findings, *narrowed.findings, *unfenced(desired, adopted))
    findings = (*desired.findings, *hindered, *builder.findings, *_applier(catalog))
    return replace(_of(desired, catalog, ledger, settings, rule_files, tables, steps, findings), said=builder.said)


def _of(
    desired: Desired,
    catalog: Catalog,
    ledger: Ledger,
    settings: PackSettings,
    rule_files: tuple[tuple[str, str], ...],
    tables: tuple[Name, ...],
    steps: tuple[Step, ...],
    findings: tuple[Finding, ...],
) -> Plan:
    return Plan(
        action=Action.APPLY,
        pack=settings.name,
        prefix=desired.prefix,
        database=catalog.database,
        server_version=catalog.server_version,
        rule_files=rule_files,
        relied_on=tables,
        fingerprint=fingerprint(catalog, ledger, desired.prefix, tables),
        last_run=ledger.last_run,
        steps=steps,
        findings=findings,
    )


def _applier(catalog: Catalog) -> tuple[Finding, ...]:
    """Before PostgreSQL 16 a member without INHERIT gets no rights from a membership, not even for a moment."""
    role = catalog.roles.get(catalog.current_user)
    if role is None or role.superuser or role.inherit or catalog.server_version >= _MEMBERSHIPS_INHERIT:
        return ()
    message = "is NOINHERIT: it can make no policy that reads the lookup views, which only their owner sees"
    hint = f"alter role {quote_identifier(role.name)} inherit; or apply as another role."
    return (Finding("applier-noinherit", Severity.ERROR, f"role {role.name}", message, hint),)


def plan_pack(pack: Pack, desired: Desired, catalog: Catalog, ledger: Ledger) -> Plan:
    """`make_plan` for a pack that was read from files, whose hashes the plan keeps."""
    return make_plan(desired, catalog, ledger, pack.settings, pack.files)


def _wanted(desired: Desired, existing: Mapping[Name, Existing]) -> dict[Key, DesiredObject]:
    """Desired objects by key in the order they can be made, with the fences; where two say the same, the first counts."""
    fences = [
        policy for table, what in sorted(existing.items()) if what is Existing.FENCE for policy in fence(desired, table)
    ]
    wanted: dict[Key, DesiredObject] = {}
    for one in (part for whole in (*desired.objects, *fences) for part in single(whole)):
        wanted.setdefault(key_of(one), one)
    return wanted


def _texts(wanted: DesiredObject) -> tuple[str, ...]:
    match wanted:
        case DesiredPolicy():
            return tuple(text for text in (wanted.using, wanted.check) if text is not None)
        case DesiredView():
            return (wanted.query,)
        case DesiredFunction() | DesiredTrigger():
            return (wanted.definition,)
        case DesiredGrant():
            return (wanted.target,)
        case DesiredMembership() | DesiredRoleSetting() | DesiredRowSecurity() | DesiredReads() | DesiredLogClass():
            return ()


@dataclass(frozen=True, slots=True)
class _Decision:
    """What has to happen to one wanted object. `rebuild`: it is live and has to be taken away first."""

    change: Change
    rebuild: bool = False
    note: str = ""


class _Builder:
    """Decides object by object, then spreads rebuilding to whatever depends on what is rebuilt or dropped."""

    def __init__(self, catalog: Catalog, ledger: Ledger, prefix: str) -> None:
        self._prefix = prefix
        self._ledger = ledger
        self._uses = Uses(ledger.live)
        self._maker = Maker(catalog, prefix)
        self._remover = Remover(catalog, ledger, prefix)
        self.findings: list[Finding] = []
        self.said: tuple[str, ...] = ()
        self.tables: set[Name] = {key.table for key in ledger.rows if key.table is not None}

    def build(
        self, wanted: Mapping[Key, DesiredObject], adopted: Adopted, existing: Mapping[Name, Existing]
    ) -> tuple[Step, ...]:
        """All steps: what goes, in an order in which it can; then what comes, in the order given."""
        decisions = {key: self._decide(key, one) for key, one in wanted.items()}
        gone = [
            key
            for key in self._ledger.rows
            if key not in wanted and key.kind not in {Kind.REPLACED_POLICY, Kind.KEPT_POLICY}
        ]
        stray = self._stray(wanted, existing)
        self._spread(decisions, [*gone, *stray])
        removed = dependents_first(
            [*gone, *stray, *(key for key, decision in decisions.items() if decision.rebuild)], self._uses
        )
        rank = {key: number for number, key in enumerate(removed)}
        steps = [replace(self._remover.drop(key), rank=rank[key]) for key in removed if key not in decisions]
        steps += self._foreign(adopted, existing)
        for key, one in wanted.items():
            decision = decisions[key]
            if decision.change is Change.SAME:
                steps.append(self._kept(key, one))
                continue
            step = self._maker.make(one, decision.change, rebuild=decision.rebuild)
            if decision.rebuild:
                dropped = self._remover.drop(key)
                step = replace(step, before=dropped.before, before_as=dropped.before_as, rank=rank[key])
            steps.append(
                replace(
                    step,
                    source_sha256=source_sha256(one),
                    undo=self._undo(key),
                    note=decision.note or step.note,
                )
            )
        return tuple(steps)

    def _decide(self, key: Key, one: DesiredObject) -> _Decision:
        row = self._ledger.rows.get(key)
        live = self._ledger.spelled(key)
        if key.kind is Kind.ROW_SECURITY:
            return self._decide_row_security(key, one)
        if row is None:
            if live is None:
                return _Decision(Change.CREATE)
            if key.kind is Kind.READS:
                return _Decision(Change.CREATE, note="the rest through the view; given back by revert")
            if key.kind in _SHARED:
                return _Decision(Change.CREATE, note="holds already; recorded")
            if self._is_marked(key):
                return _Decision(Change.ALTER, rebuild=True, note="ours by its mark, not in the ledger")
            self.findings.append(
                Finding(
                    "name-collision",
                    Severity.ERROR,
                    str(key),
                    f"the {key.kind.value} exists and pgerase did not make it",
                    "Rename or drop it, or choose another prefix in pack.yaml.",
                )
            )
            return _Decision(Change.SAME, note="not ours")
        if live is None:
            return _Decision(Change.CREATE, note="was there and is gone")
        if row.source_sha256 == source_sha256(one):
            if row.deparsed == live:
                return _Decision(Change.SAME)
            note = "changed by hand"
        else:
            note = ""
        if isinstance(one, DesiredLogClass):
            note = "; ".join(part for part in (note, self._of_class(key, one)) if part)
        return _Decision(Change.ALTER, rebuild=not self._in_place(key, one), note=note)

    def _of_class(self, key: Key, one: DesiredLogClass) -> str:
        state = self._ledger.state(key)
        if state is None:
            return ""
        sentence = shortened(one, state)
        self.said += () if sentence is None else (sentence,)
        return change_of(one, state)

    def _decide_row_security(self, key: Key, one: DesiredObject) -> _Decision:
        row = self._ledger.rows.get(key)
        state = self._ledger.state(key)
        if row is not None and row.source_sha256 == source_sha256(one) and row.deparsed == self._ledger.live.get(key):
            return _Decision(Change.SAME)
        if state is None:
            self.findings.append(
                Finding(
                    "no-such-table", Severity.ERROR, str(key), "the table is gone", "Plan again from the rule files."
                )
            )
        return _Decision(Change.CREATE if row is None else Change.ALTER, note="" if row is None else "changed by hand")

    def _is_marked(self, key: Key) -> bool:
        state = self._ledger.state(key)
        return key.kind is Kind.POLICY and state is not None and MARK in str(state["comment"])

    def _in_place(self, key: Key, one: DesiredObject) -> bool:
        """Whether ALTER or a repetition can get there. ALTER POLICY cannot change the command or take an expression away."""
        if not isinstance(one, DesiredPolicy):
            return key.kind in _SHARED
        state = self._ledger.state(key)
        return (
            state is not None
            and state["command"] == one.command
            and state["permissive"] == one.permissive
            and (state["using"] is None or one.using is not None)
            and (state["check"] is None or one.check is not None)
        )

    def _spread(self, decisions: dict[Key, _Decision], gone: Iterable[Key]) -> None:
        """What uses a view or function that is taken away has to be taken away before, and made again after."""
        movable = {Kind.VIEW, Kind.FUNCTION}
        frontier = [key for key in gone if key.kind in movable]
        frontier += [key for key, decision in decisions.items() if decision.rebuild and key.kind in movable]
        while frontier:
            moved = frontier.pop()
            for key, decision in decisions.items():
                if decision.rebuild or decision.change is Change.CREATE or key == moved:
                    continue
                if key.kind in {*movable, Kind.POLICY, Kind.TRIGGER} and self._uses.mention(key, moved):
                    note = decision.note or f"made again around {moved}"
                    decisions[key] = _Decision(Change.ALTER, rebuild=True, note=note)
                    if key.kind in movable:
                        frontier.append(key)

    def _stray(self, wanted: Mapping[Key, DesiredObject], existing: Mapping[Name, Existing]) -> list[Key]:
        """Policies that carry our name and mark and stand on a governed table, which neither ledger nor rules know."""
        return [
            key
            for key in self._ledger.live
            if key.kind is Kind.POLICY
            and key.table in existing
            and key not in wanted
            and key not in self._ledger.rows
            and key.parts[2].startswith(f"{self._prefix}_")
            and self._is_marked(key)
        ]

    def _kept(self, key: Key, one: DesiredObject) -> Step:
        row = self._ledger.rows.get(key)
        return Step(Change.SAME, key, source_sha256=source_sha256(one), undo=row.undo if row else "{}")

    def _undo(self, key: Key) -> str:
        """What was there before pgerase: as the ledger has it, else as it is now."""
        row = self._ledger.rows.get(key)
        if row is not None:
            return row.undo
        state = self._ledger.state(key) if key.kind in _SHARED else None
        return canonical(state) if state is not None else "{}"

    def _foreign(self, adopted: Adopted, existing: Mapping[Name, Existing]) -> list[Step]:
        """Policies of others: taken away and recorded, kept and recorded, or given back where a table is no longer replaced."""
        steps = [self._replace(table, policy) for table, policy in adopted.replaced]
        kept = {
            Key(Kind.KEPT_POLICY, (table.schema, table.name, policy.name)): policy for table, policy in adopted.kept
        }
        for key in kept:
            row = self._ledger.rows.get(key)
            live = self._ledger.live.get(key.live, "")
            change = Change.SAME if row is not None and row.deparsed == live else Change.CREATE
            steps.append(Step(change, key, source_sha256=sha256_json(live), note="kept behind a fence"))
        for key, row in self._ledger.rows.items():
            if key.kind is Kind.KEPT_POLICY and key not in kept:
                steps.append(
                    Step(Change.DROP, key, record=False, note="no longer kept; the policy itself is not touched")
                )
            elif key.kind is Kind.REPLACED_POLICY:
                table = key.table
                if table is not None and existing.get(table) in {None, Existing.FENCE}:
                    steps.append(self._remover.restore_policy(key, row.deparsed))
                else:
                    steps.append(Step(Change.SAME, key, source_sha256=row.source_sha256, undo=row.undo))
        return steps

    def _replace(self, table: Name, policy: Policy) -> Step:
        key = Key(Kind.REPLACED_POLICY, (table.schema, table.name, policy.name))
        definition = self._ledger.state(key)
        if definition is None:
            raise InternalError(f"{key} is in the catalog and not among the live objects")
        dropped = self._remover.drop_policy(key.live, definition)
        return replace(
            dropped,
            key=key,
            record=True,
            rank=-1,
            source_sha256=sha256_json(definition),
            undo=canonical(definition),
            note="another's policy: recorded, put back by revert",
        )
