"""Who has whose rights: questions about memberships, answered from a snapshot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from pgerase.catalog.model import Catalog, Membership

_DATABASE_OWNER = "pg_database_owner"
_ADMIN_OPTION_NEEDED = 160000
"""From this version on CREATEROLE no longer lets its holder grant any role to himself."""


class RoleGraph:
    """The memberships of one snapshot. Every answer contains the role asked about, and none counts being superuser."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._edges: defaultdict[str, list[Membership]] = defaultdict(list)
        for membership in catalog.memberships:
            self._edges[membership.member].append(membership)
        if catalog.owner:
            self._edges[catalog.owner].append(
                Membership(_DATABASE_OWNER, catalog.owner, admin=False, inherit=True, set=True, grantor="")
            )
        self._inherited: dict[str, frozenset[str]] = {}
        self._acting: dict[str, frozenset[str]] = {}

    def inherited(self, role: str) -> frozenset[str]:
        """Roles whose privileges `role` has without doing anything: those whose policies apply to it."""
        if role not in self._inherited:
            self._inherited[role] = self._closure({role}, lambda edge: edge.inherit)
        return self._inherited[role]

    def acts_as(self, role: str) -> frozenset[str]:
        """Roles whose privileges `role` has today, by inheriting or after one SET ROLE."""
        if role not in self._acting:
            settable = self.can_set(role)
            self._acting[role] = self._closure(set(settable), lambda edge: edge.inherit)
        return self._acting[role]

    def can_set(self, role: str) -> frozenset[str]:
        """Roles that `role` can SET ROLE to today."""
        return self._closure({role}, lambda edge: edge.set)

    def could_become(self, role: str) -> frozenset[str]:
        """Roles whose rights `role` could get by itself: also by granting, with ADMIN OPTION or (before 16) CREATEROLE."""
        return self._closure(set(self.could_set(role)), lambda edge: edge.inherit)

    def could_set(self, role: str) -> frozenset[str]:
        """Roles that `role` could SET ROLE to, by the same means: attributes such as BYPASSRLS come by that alone."""
        granted = {role}
        while True:
            settable = self._closure(set(granted), lambda edge: edge.set)
            acting = self._closure(set(settable), lambda edge: edge.inherit)
            more = {edge.role for member in acting for edge in self._edges.get(member, ()) if edge.admin}
            if self._catalog.server_version < _ADMIN_OPTION_NEEDED and any(
                self._catalog.roles[name].createrole for name in settable if name in self._catalog.roles
            ):
                more |= {other.name for other in self._catalog.roles.values() if not other.superuser}
            if more <= granted:
                return settable
            granted |= more

    def logins_acting_as(self, role: str) -> tuple[str, ...]:
        """Login roles other than `role` that can act as it today, in name order."""
        return tuple(
            sorted(
                other.name
                for other in self._catalog.roles.values()
                if other.login and other.name != role and role in self.acts_as(other.name)
            )
        )

    def _closure(self, start: set[str], follow: Callable[[Membership], bool]) -> frozenset[str]:
        found = set(start)
        frontier = list(start)
        while frontier:
            for edge in self._edges.get(frontier.pop(), ()):
                if follow(edge) and edge.role not in found:
                    found.add(edge.role)
                    frontier.append(edge.role)
        return frozenset(found)
