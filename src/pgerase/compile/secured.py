"""Secured views: how people read relations that PostgreSQL has no row security for, materialized views and foreign tables.

The view holds the whole decision, which for a table its policies hold: nothing below hides a row. So it is a security_barrier view:
else a function in a condition of the reader would be given rows before the decision has removed them. Its owner is the one of masked
views, whom nobody can become; it and the lookup role alone may read what is below.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from pgerase.catalog.model import Name, Table
from pgerase.compile import sql
from pgerase.compile.bind_secured import KINDS
from pgerase.compile.bound import BoundResource
from pgerase.compile.column_rights import ColumnRights
from pgerase.compile.decisions import DecisionEmitter
from pgerase.compile.desired import DesiredMask, DesiredView
from pgerase.compile.emit import Facts, row_env
from pgerase.compile.masks import listed_columns
from pgerase.compile.naming import Naming
from pgerase.compile.sql import conjunction, formula_text, ident, qualified
from pgerase.compile.surroundings import matches
from pgerase.errors import Finding, Severity
from pgerase.rules.conditions import Action
from pgerase.rules.pack import Pack


def secured(resources: Iterable[BoundResource]) -> tuple[BoundResource, ...]:
    """The resources that no policy can be on."""
    return tuple(resource for resource in resources if not resource.table.has_row_security)


def secured_views(
    resources: Sequence[BoundResource], names: Mapping[str, Name], decisions: DecisionEmitter, rights: ColumnRights
) -> tuple[DesiredView, ...]:
    """The secured view of each of these resources. Who reads it, the plan finds out."""
    return tuple(_view(resource, names[resource.name], decisions, rights) for resource in resources)


def secured_masks(resources: Sequence[BoundResource], names: Mapping[str, Name], pack: Pack) -> tuple[DesiredMask, ...]:
    """That nothing of these relations is read but through their views, services apart."""
    return tuple(
        DesiredMask(
            resource.table.name,
            tuple(column.name for column in resource.table.columns),
            names[resource.name],
            secured=True,
            exempt=tuple(
                service.role
                for service in pack.settings.services
                if service.tables is None or any(matches(one, resource.table.name) for one in service.tables)
            ),
        )
        for resource in resources
    )


def secured_notes(
    resources: Sequence[BoundResource], facts: Facts, grouped: Collection[Name], naming: Naming
) -> tuple[Finding, ...]:
    """Foreign servers that do not know the roles that read for others, or would not let them in. `grouped` have aggregates."""
    found: list[Finding] = []
    for resource in resources:
        read_by = {naming.masker: f"the owner of its secured view, {naming.masker},"}
        asked = {name for name, _ in (*facts.may, *facts.meets)}
        if resource.table.name in {*facts.tables, *grouped} or resource.name in asked:
            read_by[naming.lookup] = f"{naming.lookup}, for lookups of other rules and for aggregates,"
        for role, who in read_by.items():
            found += _unmapped(resource, role, who)
    return tuple(found)


def _unmapped(resource: BoundResource, role: str, who: str) -> Iterator[Finding]:
    """PostgreSQL asks the server as the owner of the view, not as who reads it."""
    server = resource.table.server
    if server is None or not server.needs_mapping:
        return
    subject = str(resource.table.name)
    mapping = server.mapping(role)
    target = f"user mapping for {ident(role)} server {ident(server.name)}"
    if mapping is None:
        message = f"{who} reads it, and has no user mapping on the server {server.name}"
        hint = f"create {target} options (…), for a role there that may read it and nothing else."
        yield Finding("user-mapping", Severity.ERROR, subject, message, hint, resource.at)
    elif server.handler == "postgres_fdw_handler" and mapping.logs_in is False:
        message = (
            f"{who} reads it by the user mapping of {mapping.role} on {server.name}, which has no password:"
            " postgres_fdw refuses that to whoever is no superuser, unless credentials are delegated"
        )
        hint = f"alter {target} options (add password '…'), or let a superuser say (add password_required 'false')."
        yield Finding("user-mapping-password", Severity.WARNING, subject, message, hint, resource.at)


def _view(resource: BoundResource, name: Name, decisions: DecisionEmitter, rights: ColumnRights) -> DesiredView:
    env = row_env("r", as_set=True)
    required = decisions.required(resource, Action.READ)
    # As policies do: one permissive, and each requirement restrictive.
    decision = conjunction(
        [
            decisions.permissive(resource, Action.READ, env),
            *(decisions.requirement(resource, requirement, env) for requirement in required),
        ]
    )
    query = (
        f"select\n    {listed_columns(resource, rights)}\nfrom {qualified(resource.table.name)} r"
        f"\nwhere {sql.indent(formula_text(decision))}"
    )
    sql.assert_query(query)
    comment = f"{describe(resource.table)}, as far as the viewer may read it ({resource.at}). [pgerase secured]"
    return DesiredView(name, rights.naming.masker, query, (), comment, barrier=True)


def describe(table: Table) -> str:
    """The relation with its kind: "s.m, a materialized view"."""
    return f"{table.name}, {KINDS[table.kind]}"
