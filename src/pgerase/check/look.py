"""What all looks for ways around row security ask of one snapshot: whose hands something is in, and who reads past the policies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from pgerase.catalog.model import Catalog, Grant, Membership, Name, Policy, Table
from pgerase.catalog.reach import reaching_routines, with_leaves
from pgerase.catalog.roles import RoleGraph
from pgerase.check.own import Own
from pgerase.check.spelling import in_sql
from pgerase.errors import Severity

Roles: TypeAlias = Callable[[str], frozenset[str]]

DATA_PRIVILEGES = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
WRITING = frozenset({"INSERT", "UPDATE", "DELETE"})
ADMIN_OPTION_NEEDED = 160000
"""From this version on CREATEROLE no longer lets its holder grant any role to himself."""


class Look:
    """One look at one snapshot. Viewers are the members of the viewer role, and those named besides."""

    def __init__(
        self,
        catalog: Catalog,
        governed: Collection[Name],
        prefix: str,
        viewers: Collection[str],
        *,
        by_login: bool,
        exempt: Mapping[Name, Collection[str]],
    ) -> None:
        self.catalog = catalog
        self.named = frozenset(viewers)
        self.by_login = by_login
        self.exempt = exempt
        self.roots = tuple(sorted(name for name in set(governed) if name in catalog.tables))
        self.covered = with_leaves(catalog, governed)
        self.own = Own(prefix)
        self.graph = RoleGraph(catalog)
        members = {role for role in catalog.roles if self.own.viewer in self.graph.acts_as(role)}
        self.viewers = frozenset(members) | frozenset(viewers) | {self.own.viewer}
        # Whatever any viewer can act as is in a viewer's hands.
        self.in_viewers_hands = frozenset({"public"}).union(*(self.graph.acts_as(role) for role in self.viewers))
        self.owners = tuple(sorted({catalog.tables[name].owner for name in self.covered}))
        self.reached = reaching_routines(catalog, self.covered)

    def for_viewers(self, roles: Collection[str]) -> bool:
        """Whether one of these roles is in a viewer's hands."""
        return bool(self.in_viewers_hands & set(roles))

    def severity(self, role: str, otherwise: Severity = Severity.WARNING) -> Severity:
        """An error where a viewer can use it: then row security binds nobody."""
        return Severity.ERROR if role in self.in_viewers_hands else otherwise

    def could(self, role: str, could: Roles, can: Roles) -> frozenset[str]:
        """What a role could become. Role makers before 16 could become nearly anybody: they are doors of their own."""
        maker = self.catalog.server_version < ADMIN_OPTION_NEEDED and any(
            self.catalog.roles[name].createrole for name in self.graph.can_set(role) if name in self.catalog.roles
        )
        return can(role) if maker else could(role)

    def revokes(self, member: str, targets: Collection[str], reach: Roles) -> str:
        """Statements that take the direct memberships from a role through which it gets at one of these."""
        return "\n".join(
            self.revoke(edge)
            for edge in self.catalog.memberships
            if edge.member == member and reach(edge.role) & set(targets)
        )

    def revoke(self, membership: Membership) -> str:
        """A statement that takes one membership; only what a superuser granted is revoked without saying so."""
        grantor = self.catalog.roles.get(membership.grantor)
        given = self.catalog.server_version >= ADMIN_OPTION_NEEDED and grantor is not None and not grantor.superuser
        by = f" granted by {in_sql(membership.grantor)}" if given else ""
        return f"revoke {in_sql(membership.role)} from {in_sql(membership.member)}{by};"

    def is_unbound(self, role: str) -> bool:
        """Whether no policy binds a role at all."""
        attributes = self.catalog.roles.get(role)
        return attributes is not None and (attributes.superuser or attributes.bypassrls)

    def sees_all(self, role: str, tables: Collection[Name]) -> bool:
        """Whether a role reads every row of one of these tables as they stand now."""
        if self.is_unbound(role):
            return True
        inherited = self.graph.inherited(role)
        return any(_reads_past(inherited, self.catalog.tables[name]) for name in tables)

    def users(self, grants: tuple[Grant, ...], owner: str, privileges: frozenset[str]) -> tuple[str, ...]:
        """Who else than the owner may use it, without those that no policy binds anyhow."""
        found = {grant.grantee for grant in grants if grant.privilege in privileges} - {owner}
        return tuple(sorted(name for name in found if not self.is_unbound(name)))

    def shown_whole(self, table: Table) -> bool:
        """Whether a policy shows every viewer every row: then nothing is hidden from them."""
        return any(shows_all(policy, frozenset({self.own.viewer})) for policy in table.policies) and not any(
            not policy.permissive and policy.command in ("ALL", "SELECT") for policy in table.policies
        )


def grantees(table: Table) -> list[str]:
    """Who besides the owner may use a table's rows."""
    return sorted({grant.grantee for grant in table.grants if grant.privilege in DATA_PRIVILEGES} - {table.owner})


def shows_all(policy: Policy, inherited: frozenset[str]) -> bool:
    """Whether a policy shows its roles every row; restrictive ones beside it are not counted on."""
    return (
        policy.permissive
        and policy.command in ("ALL", "SELECT")
        and policy.using == "true"
        and bool(inherited.intersection(policy.roles) or "public" in policy.roles)
    )


def _reads_past(inherited: frozenset[str], table: Table) -> bool:
    if not table.has_row_security:
        may = {grant.grantee for grant in table.grants if grant.privilege == "SELECT"}
        return table.owner in inherited or bool(may & {*inherited, "public"})
    if not table.rls_enabled or (table.owner in inherited and not table.rls_forced):
        return True
    return any(shows_all(policy, inherited) for policy in table.policies)
