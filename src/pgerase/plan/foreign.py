"""Policies on governed tables that pgerase did not make: refused, replaced or fenced, as the pack says.

Pure. A policy is ours when its name starts with the prefix and either the ledger has it or its comment carries our mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Name, Policy, Table
from pgerase.compile.desired import Desired, DesiredPolicy
from pgerase.errors import Finding, Severity
from pgerase.plan.model import Ledger
from pgerase.plan.objects import Key, Kind
from pgerase.render.fragments import quote_identifier
from pgerase.rules.pack import Adoption, Existing, PackSettings

MARK = "[pgerase "
"""What the comment of every policy of ours holds: the rule and hash it comes from stand behind it."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """What becomes of the foreign policies of one table."""

    replaced: tuple[tuple[Name, Policy], ...]
    kept: tuple[tuple[Name, Policy], ...]
    findings: tuple[Finding, ...]


def is_ours(policy: Policy, table: Name, prefix: str, ledger: Ledger) -> bool:
    """Whether pgerase made this policy."""
    if not policy.name.startswith(f"{prefix}_"):
        return False
    return Key(Kind.POLICY, (table.schema, table.name, policy.name)) in ledger.rows or MARK in policy.comment


def existing_by_table(catalog: Catalog, settings: PackSettings, governed: frozenset[Name]) -> Mapping[Name, Existing]:
    """For each table: what the pack says about policies already there; a leaf follows its nearest table that is named.

    Tables the pack does not name refuse.
    """
    named = {name: entry.existing for entry in settings.tables for name in _matches(catalog, entry)}

    def look(name: Name) -> Existing:
        frontier: list[Name] = [name]
        while frontier:
            current = frontier.pop(0)
            if current in named:
                return named[current]
            table = catalog.tables.get(current)
            frontier.extend(table.parents if table else ())
        return Existing.REFUSE

    return {name: look(name) for name in governed}


def _matches(catalog: Catalog, entry: Adoption) -> tuple[Name, ...]:
    if entry.table.schema is not None:
        return (Name(entry.table.schema, entry.table.name),)
    return tuple(name for name in catalog.tables if name.name == entry.table.name)


def adopt(catalog: Catalog, ledger: Ledger, prefix: str, existing: Mapping[Name, Existing]) -> Adopted:
    """Sort the foreign policies of every governed table and leaf; refusals come back as findings, all of them."""
    replaced: list[tuple[Name, Policy]] = []
    kept: list[tuple[Name, Policy]] = []
    findings: list[Finding] = []
    blind = roles_bound_as(catalog, f"{prefix}_eraser", f"{prefix}_lookup")
    for name in sorted(existing):
        table = catalog.tables.get(name)
        for policy in foreign_policies(table, prefix, ledger) if table else ():
            subject = f"policy {quote_identifier(policy.name)} on {name}"
            if policy.name.startswith(f"{prefix}_"):
                findings.append(
                    _refused(
                        "name-collision",
                        subject,
                        f"the name begins with {prefix}_, which is how pgerase marks its own, but pgerase did not make it",
                        "Rename it, or choose another prefix in pack.yaml.",
                    )
                )
            elif not policy.permissive and blind & set(policy.roles):
                findings.append(
                    _refused(
                        "restrictive-binds-exempt",
                        subject,
                        f"restrictive and to {', '.join(policy.roles)}: it would hide rows from {prefix}_eraser and "
                        f"{prefix}_lookup, so that lookups and erasing silently miss them",
                        "Say it as a `require` rule and drop it, or limit it to the roles that it is meant for.",
                    )
                )
            elif existing[name] is Existing.REFUSE:
                findings.append(
                    _refused(
                        "foreign-policy",
                        subject,
                        f"{_kind(policy)} to {', '.join(policy.roles)}; pgerase did not make it",
                        "Set `existing: replace` (dropped, recorded, put back by revert) or `existing: fence` (kept, "
                        "within our decision) for this table in pack.yaml.",
                    )
                )
            else:
                (replaced if existing[name] is Existing.REPLACE else kept).append((name, policy))
    return Adopted(tuple(replaced), tuple(kept), tuple(findings))


def unfenced(desired: Desired, adopted: Adopted) -> tuple[Finding, ...]:
    """Aggregates of tables on which another's restrictive policy is kept: it does not bind who reads blindly, so its rows would count."""
    return tuple(
        Finding(
            "aggregate-unfenced",
            Severity.ERROR,
            str(one.view),
            f"the policy {policy.name} on {name} restricts {', '.join(policy.roles)}: rows that it hides from them would be counted",
            "Say it as a `require` rule and drop it, or leave the aggregate out.",
        )
        for one in desired.aggregates
        for name, policy in adopted.kept
        if name == one.table and not policy.permissive and policy.command in {"SELECT", "ALL"}
    )


def foreign_policies(table: Table, prefix: str, ledger: Ledger) -> tuple[Policy, ...]:
    """The policies of a table that pgerase did not make."""
    return tuple(policy for policy in table.policies if not is_ours(policy, table.name, prefix, ledger))


def fence(desired: Desired, table: Name) -> tuple[DesiredPolicy, ...]:
    """Our own decision as restrictive policies TO the viewers' role, so that no policy of others shows them more.

    One for each command. Where no permissive policy of ours lets viewers do something on the table (a leaf, or an action nobody is
    granted), the fence lets nothing through.
    """
    viewer = f"{desired.prefix}_viewer"
    ours = [
        wanted
        for wanted in desired.objects
        if isinstance(wanted, DesiredPolicy) and wanted.table == table and wanted.permissive and viewer in wanted.roles
    ]
    return tuple(_fence(desired.prefix, table, command, ours) for command in ("SELECT", "INSERT", "UPDATE", "DELETE"))


def _fence(prefix: str, table: Name, command: str, ours: list[DesiredPolicy]) -> DesiredPolicy:
    policies = [policy for policy in ours if policy.command in {command, "ALL"}]
    checks = [policy.check if policy.check is not None else policy.using for policy in policies]
    return DesiredPolicy(
        table=table,
        name=f"{prefix}_fence_{command.lower()}",
        command=command,
        permissive=False,
        roles=(f"{prefix}_viewer",),
        using=None if command == "INSERT" else _any([policy.using for policy in policies]),
        check=_any(checks) if command in {"INSERT", "UPDATE"} else None,
        comment=f"Keeps what other policies of this table grant within pgerase's own decision. {MARK}fence]",
    )


def _any(expressions: list[str | None]) -> str:
    """True where one of the expressions is. A policy without an expression grants nothing here: PostgreSQL needs one."""
    given = [expression for expression in expressions if expression is not None]
    if not given:
        return "false"
    return given[0] if len(given) == 1 else "\nor ".join(f"({expression})" for expression in given)


def roles_bound_as(catalog: Catalog, *names: str) -> set[str]:
    """PUBLIC, the roles, and all whose policies and ownership count for them because they inherit from them."""
    found = {"public", *names}
    while True:
        more = {link.role for link in catalog.memberships if link.member in found and link.inherit} - found
        if not more:
            return found
        found |= more


def _kind(policy: Policy) -> str:
    return f"{'permissive' if policy.permissive else 'restrictive'}, for {policy.command.lower()}"


def _refused(code: str, subject: str, message: str, hint: str) -> Finding:
    return Finding(code, Severity.ERROR, subject, message, hint)
