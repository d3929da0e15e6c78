"""The way back, from the ledger alone: everything (`revert`), or one table at once (`off`). Pure; no rule file is needed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pgerase.catalog.model import Catalog, Name
from pgerase.errors import Refused
from pgerase.plan.fingerprint import fingerprint, relied_on
from pgerase.plan.model import Action, Change, Ledger, Plan, Step
from pgerase.plan.objects import Key, Kind
from pgerase.plan.order import Uses, dependents_first
from pgerase.plan.removal import Remover
from pgerase.rules.record import without_table

_GOVERNING = {Kind.ROW_SECURITY, Kind.READS}
"""What stands in the ledger for every governed table: of one with a secured view, who may no longer read it itself."""


def make_revert(catalog: Catalog, ledger: Ledger, prefix: str, pack: str) -> Plan:
    """The plan that puts policies, flags, grants, memberships and settings back as they were before the first apply."""
    made = _plan(Action.REVERT, catalog=catalog, ledger=ledger, prefix=prefix, pack=pack, keys=ledger.rows, said=())
    return replace(made, rules="" if ledger.rules else None)


def make_off(catalog: Catalog, ledger: Ledger, prefix: str, pack: str, table: Name) -> Plan:
    """The plan that stops governing one table and its leaves, and says what others that are connected to it need.

    Exempt policies of private roles and services stay: lookups of other tables go through them, whatever row security
    the table had before. Raises Refused where pgerase does not govern the table.
    """
    family = {table, *catalog.leaves(table)}
    viewer = f"{prefix}_viewer"
    keys = [
        key
        for key in ledger.rows
        if key.table in family
        and (key.kind is not Kind.POLICY or viewer in _roles(ledger, key))
        # Who may see the table is one thing, what is written down of it another.
        and not key.is_capture(prefix)
    ]
    if not any(key.kind in _GOVERNING for key in keys):
        governed = ", ".join(sorted({str(key.table) for key in ledger.rows if key.kind in _GOVERNING}))
        raise Refused(f"{table} is not governed", hint=f"Governed are: {governed or 'no tables at all'}.")
    said = _said(catalog, ledger, table, family)
    made = _plan(Action.OFF, catalog=catalog, ledger=ledger, prefix=prefix, pack=pack, keys=keys, said=said)
    kept = None if not ledger.rules else without_table(ledger.rules, (table.schema, table.name))
    return replace(made, rules=kept)


def _plan(
    action: Action,
    *,
    catalog: Catalog,
    ledger: Ledger,
    prefix: str,
    pack: str,
    keys: Iterable[Key],
    said: tuple[str, ...],
) -> Plan:
    given = list(keys)
    remover = Remover(catalog, ledger, prefix)
    others = {Kind.REPLACED_POLICY, Kind.KEPT_POLICY}
    ordered = dependents_first([key for key in given if key.kind not in others], Uses(ledger.live))
    steps = [replace(remover.drop(key), rank=rank) for rank, key in enumerate(ordered)]
    for key in given:
        if key.kind is Kind.REPLACED_POLICY:
            steps.append(remover.restore_policy(key, ledger.rows[key].deparsed))
        elif key.kind is Kind.KEPT_POLICY:
            steps.append(Step(Change.DROP, key, record=False, note="another's policy, kept; it stays"))
    sql = [text for step in steps for text in (*step.before, *step.statements)]
    tables = relied_on(catalog, {key.table for key in given if key.table is not None}, sql)
    return Plan(
        action=action,
        pack=pack,
        prefix=prefix,
        database=catalog.database,
        server_version=catalog.server_version,
        rule_files=(),
        relied_on=tables,
        fingerprint=fingerprint(catalog, ledger, prefix, tables),
        last_run=ledger.last_run,
        steps=tuple(steps),
        said=said,
    )


def _roles(ledger: Ledger, key: Key) -> tuple[str, ...]:
    """The roles of a policy as it is now; as recorded where it is gone."""
    state = ledger.state(key)
    return tuple(state["roles"]) if state is not None else (key.parts[0],)


def _said(catalog: Catalog, ledger: Ledger, table: Name, family: set[Name]) -> tuple[str, ...]:
    """What stays connected: the tables whose policies read this one, directly or through a lookup view."""
    readers = [Key(Kind.VIEW, (name.schema, name.name)) for name, view in catalog.views.items() if table in view.reads]
    uses = Uses(ledger.live)
    direct = Key(Kind.VIEW, (table.schema, table.name))
    connected = sorted(
        {
            str(key.table)
            for key in ledger.rows
            if key.kind is Kind.POLICY
            and key.table not in family
            and any(uses.mention(key, used) for used in (direct, *readers))
        }
    )
    said = [
        f"{table} will be open to whoever its grants and its former policies let in: no rule of the pack holds there.",
        f"The next apply governs it again unless pack.yaml says `mode: off` for {table}.",
    ]
    if connected:
        said.append(
            f"Still governed, and still decided by rows of {table}: {', '.join(connected)}. They need nothing; who could write "
            f"{table} now can change what they show."
        )
    return tuple(said)
