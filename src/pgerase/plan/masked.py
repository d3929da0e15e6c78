"""Who reads a table with hidden columns: roles that the rules bind keep SELECT on the other columns, and get it on the masked view.

Of what has a secured view, which no policy can bind anybody on, nobody keeps anything but its owner and services.

Pure. What a role was granted before the first apply is in the ledger, else in the live state. What cannot be taken away, or would
not help, is a finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pgerase.catalog.model import Catalog, Name, Table
from pgerase.catalog.roles import RoleGraph
from pgerase.check.impact import Impact
from pgerase.check.spelling import spell
from pgerase.compile.desired import Desired, DesiredMask, DesiredMembership, DesiredPolicy, DesiredReads, DesiredView
from pgerase.errors import Finding, Severity
from pgerase.plan.foreign import Adopted
from pgerase.plan.model import NO_READS, Ledger, decoded
from pgerase.plan.objects import Key, Kind
from pgerase.render.fragments import quote_identifier
from pgerase.render.live import own_roles

_READ_ALL = ("pg_read_all_data",)
_READS = frozenset({"SELECT"})
_TAKEN = {"r": _READS, "p": _READS, "m": _READS, "f": _READS | {"INSERT", "UPDATE", "DELETE", "TRUNCATE"}}
"""What roles are deprived of, by the kind of table: nothing binds who writes a foreign table."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The desired state with every role's SELECT in it, and what stands in the way."""

    desired: Desired
    findings: tuple[Finding, ...]


def narrow(desired: Desired, catalog: Catalog, ledger: Ledger, adopted: Adopted) -> Narrowed:
    """Give the masked views their readers, and take from these roles the columns that are hidden from somebody."""
    if not desired.masks:
        return Narrowed(desired, ())
    look = _Look(desired, catalog, ledger)
    reads: list[DesiredReads] = []
    readers: dict[Name, tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]]] = {}
    findings: list[Finding] = []
    for mask in desired.masks:
        table = catalog.tables[mask.table]
        whole: list[str] = []
        some: list[tuple[str, tuple[str, ...]]] = []
        for role in look.grantees(mask):
            given = look.before(mask.table, role)
            columns = tuple(column.name for column in table.columns if given.whole or column.name in given.columns)
            reads.append(DesiredReads(mask.table, role, tuple(one for one in columns if one not in mask.hidden)))
            if given.whole:
                whole.append(role)
            elif columns:
                some.append((role, columns))
        readers[mask.view] = (tuple(whole), tuple(some))
        findings += [*look.untakeable(mask), *look.unhidden(mask), *look.unfenced(mask, adopted)]
    objects = [
        replace(one, readers=readers[one.name][0], some=readers[one.name][1])
        if isinstance(one, DesiredView) and one.name in readers
        else one
        for one in desired.objects
    ]
    return Narrowed(replace(desired, objects=(*objects, *reads)), tuple(findings))


def mask_impacts(desired: Desired, catalog: Catalog) -> tuple[Impact, ...]:
    """Tables that people's logins will no longer read whole or at all, each to be acknowledged; whether they do already makes no difference."""
    return tuple(
        _secured_impact(mask, desired, catalog) if mask.secured else _masked_impact(mask) for mask in desired.masks
    )


def _masked_impact(mask: DesiredMask) -> Impact:
    return Impact(
        "masked_table",
        spell(mask.table),
        (mask.table,),
        f"whoever is bound by the rules reads {', '.join(mask.hidden)} through {spell(mask.view)} alone: a statement that"
        " names them on the table fails, and so do select *, whole rows and columns the server adds by itself (ctid, xmin).",
        "masked_table",
    )


def _secured_impact(mask: DesiredMask, desired: Desired, catalog: Catalog) -> Impact:
    services = f" and {', '.join(mask.exempt)}" if mask.exempt else ""
    viewer, *private = own_roles(desired.prefix)
    table, graph = catalog.tables[mask.table], RoleGraph(catalog)
    members = {one.member for one in desired.objects if isinstance(one, DesiredMembership) and one.role == viewer}
    lost = sorted(
        {grant.grantee for grant in table.grants if grant.privilege == "SELECT"}
        - {table.owner, viewer, "public", *private, *mask.exempt, *members}
    )
    lost = [role for role in lost if viewer not in graph.inherited(role)]
    also = f" {', '.join(lost)}, neither viewer nor service, will read nothing of it." if lost else ""
    return Impact(
        "secured_table",
        spell(mask.table),
        (mask.table,),
        f"is read through {spell(mask.view)} alone, and written by nobody but its owner: a statement that names it itself fails,"
        f" and so do views and functions that read it as any other role than its owner{services}.{also}",
        "secured_table",
    )


@dataclass(frozen=True, slots=True)
class _Given:
    """What a role was granted before pgerase: SELECT on the whole table, or on columns; and by whom, with what options."""

    whole: bool
    columns: frozenset[str]
    said: frozenset[str]


class _Look:
    """One snapshot."""

    def __init__(self, desired: Desired, catalog: Catalog, ledger: Ledger) -> None:
        self._desired = desired
        self._catalog = catalog
        self._ledger = ledger
        self._graph = RoleGraph(catalog)
        self._viewer, *self._private = own_roles(desired.prefix)
        members = {one.member for one in desired.objects if isinstance(one, DesiredMembership)}
        members |= {
            role for role in catalog.roles if role != self._viewer and self._viewer in self._graph.inherited(role)
        }
        self._members = sorted(members - set(self._private))
        exempt = (
            one for one in desired.objects if isinstance(one, DesiredPolicy) and one.permissive and one.using == "true"
        )
        self._services = {(one.table, role) for one in exempt for role in one.roles} - {
            (table, role) for table in catalog.tables for role in self._private
        }
        self._services |= {(mask.table, role) for mask in desired.masks for role in mask.exempt}
        self._bound = {"public", self._viewer}
        for member in self._members:
            self._bound |= self._graph.inherited(member)

    def grantees(self, mask: DesiredMask) -> list[str]:
        """The roles that bound people read the table as, by a grant of now or of before; of a secured one, all such roles.

        The viewers' own role is then always among them: the ledger has to know the table, whoever reads it.
        """
        table = mask.table
        named = {key.parts[2] for key in (*self._ledger.live, *self._ledger.rows) if _is_reads_of(key, table)}
        if mask.secured:
            taken = (named | {self._viewer}) - {*self._private, self._catalog.tables[table].owner}
        else:
            taken = named & self._bound
        return sorted(
            role
            for role in taken
            if (table, role) not in self._services and (role == "public" or role in self._catalog.roles)
        )

    def before(self, table: Name, role: str) -> _Given:
        """What the role was granted before the first apply that narrowed it."""
        key = Key(Kind.READS, (table.schema, table.name, role))
        row = self._ledger.rows.get(key)
        state = decoded(row.undo if row is not None else self._ledger.live.get(key, NO_READS))
        columns = [(str(column), str(said)) for column, said in state["columns"]]
        return _Given(
            bool(state["table"]),
            frozenset(column for column, _ in columns),
            frozenset([*(str(said) for said in state["table"]), *(said for _, said in columns)]),
        )

    def untakeable(self, mask: DesiredMask) -> Iterator[Finding]:
        """Grants that the table's owner did not make, or that somebody passed on: REVOKE as the owner would miss or break them."""
        table = self._catalog.tables[mask.table]
        for grant in table.grants:
            taken = mask.secured and (table.name, grant.grantee) not in self._services
            taken = (taken or grant.grantee in self._bound) and grant.grantee != table.owner
            if grant.privilege in _TAKEN[table.kind] and taken and grant.grantor != table.owner:
                verb, privilege = (
                    ("read", "select") if grant.privilege == "SELECT" else ("write", grant.privilege.lower())
                )
                yield _error(
                    "grant-of-another",
                    table,
                    f"{grant.grantee} may {verb} it by a grant of {grant.grantor}, which only that role can take back",
                    f"As {grant.grantor}: revoke {privilege} on {_sql(table.name)} from {quote_identifier(grant.grantee)};"
                    " and as the owner grant it again.",
                )

    def unhidden(self, mask: DesiredMask) -> Iterator[Finding]:
        """People's logins that would read hidden columns all the same, and services that would lose what they read."""
        table = self._catalog.tables[mask.table]
        columns = "it" if mask.secured else ", ".join(mask.hidden)
        for member in self._members:
            role = self._catalog.roles.get(member)
            if role is None or role.superuser:
                continue  # a door of its own
            ways = self._graph.inherited(member) & {
                table.owner,
                *_READ_ALL,
                *(service for governed, service in self._services if governed == table.name),
            }
            for way in sorted(ways):
                yield _error(
                    "mask-bypassed",
                    table,
                    f"{member} logs in for people and reads {columns} as {way}, whatever is granted",
                    "Let people be served by a login that is neither the owner nor a service: name it under roles.app.",
                )
        ends = "it is read through its view" if mask.secured else f"{columns} are hidden from somebody"
        public = self.before(table.name, "public")
        if public.whole or public.columns & set(mask.hidden):
            for governed, service in sorted(self._services):
                others = self._graph.inherited(service) - {"public"}
                if governed == table.name and not any(self._reads_whole(table, other) for other in others):
                    yield _error(
                        "service-through-public",
                        table,
                        f"the service {service} reads it because PUBLIC may, which ends: {ends}",
                        f"grant select on {_sql(table.name)} to {quote_identifier(service)};",
                    )

    def unfenced(self, mask: DesiredMask, adopted: Adopted) -> Iterator[Finding]:
        """Restrictive policies of others that are kept and do not bind the views' owner."""
        table = self._catalog.tables[mask.table]
        for name, policy in adopted.kept:
            if name == table.name and not policy.permissive and not {"public", self._viewer} & set(policy.roles):
                yield _error(
                    "mask-unfenced",
                    table,
                    f"the policy {policy.name} restricts {', '.join(policy.roles)}, but not the masked view's owner: rows that it"
                    " hides would show there",
                    "Say it as a `require` rule, or let it be to PUBLIC.",
                )

    def _reads_whole(self, table: Table, role: str) -> bool:
        return any(
            grant.grantee == role and grant.privilege == "SELECT" and grant.column is None for grant in table.grants
        )


def _is_reads_of(key: Key, table: Name) -> bool:
    return key.kind is Kind.READS and key.table == table


def _sql(name: Name) -> str:
    return f"{quote_identifier(name.schema)}.{quote_identifier(name.name)}"


def _error(code: str, table: Table, message: str, hint: str) -> Finding:
    return Finding(code, Severity.ERROR, str(table.name), message, hint)
