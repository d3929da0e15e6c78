"""Logins that become others: they act for people as an application's login does, or read as a service does, unnamed by the pack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

from pgerase.catalog.model import Catalog, Name
from pgerase.catalog.roles import RoleGraph
from pgerase.check.door import Door
from pgerase.check.own import Own
from pgerase.check.spelling import spell_all
from pgerase.errors import Severity


def impersonators(
    catalog: Catalog,
    graph: RoleGraph,
    own: Own,
    covered: Collection[Name],
    named: Collection[str],
    *,
    by_login: bool,
) -> Iterator[Door]:
    """Doors of kind `member`, `role/login`. Who owns the tables or is bound by no policy is a greater door of its own.

    `named` are viewers besides the viewer role's members. Where people are their logins (`by_login`), SET ROLE changes nothing
    about who somebody is, and only services count.
    """
    speakers = frozenset(named) | {
        membership.member
        for membership in catalog.memberships
        if membership.role == own.viewer and (membership.inherit or membership.set)
    }
    services = _services(catalog, own, covered)
    unbound = {role.name for role in catalog.roles.values() if role.superuser or role.bypassrls}
    owners = {catalog.tables[name].owner for name in covered}
    for login in sorted(role.name for role in catalog.roles.values() if role.login):
        become = graph.acts_as(login)
        if become & owners or graph.can_set(login) & unbound:
            continue
        if not by_login and login not in speakers and become & speakers:
            yield _speaker(catalog, graph, own, login, sorted(become & speakers))
        for service in sorted((become & services.keys()) - {login}):
            yield _reader(login, service, tuple(sorted(services[service])), is_viewer=own.viewer in become)


def _services(catalog: Catalog, own: Own, covered: Collection[Name]) -> dict[str, set[Name]]:
    """The roles, but pgerase's own, that a policy of pgerase shows every row, and of which tables."""
    found: defaultdict[str, set[Name]] = defaultdict(set)
    for name in covered:
        for policy in catalog.tables[name].policies:
            if own.made_policy(policy) and policy.permissive and policy.command == "SELECT" and policy.using == "true":
                for role in policy.roles:
                    if role in catalog.roles and not own.role(role):
                        found[role].add(name)
    return found


def _speaker(catalog: Catalog, graph: RoleGraph, own: Own, login: str, roles: list[str]) -> Door:
    listed = ", ".join(roles)
    inherits = own.viewer in graph.inherited(login)
    how = "inherits from" if inherits else "can SET ROLE to"
    before = "" if inherits else "; until it does, no rule is for it"
    # A role that cannot log in was named for the logins that use it; to be another login is nothing the pack says.
    expected = not any(catalog.roles[role].login for role in roles if role in catalog.roles)
    return Door(
        "member",
        f"{own.viewer}/{login}",
        Severity.NOTE if expected else Severity.WARNING,
        f"login {login} {how} {listed}: it acts for whomever it likes, as an application's login does{before}.",
        f"revoke {roles[0]} from {login}",
    )


def _reader(login: str, service: str, tables: tuple[Name, ...], *, is_viewer: bool) -> Door:
    what = "an application's login, acts as" if is_viewer else "can act as"
    return Door(
        "member",
        f"{service}/{login}",
        Severity.ERROR if is_viewer else Severity.WARNING,
        f"role {login} {what} the service {service}, to whom every row of {spell_all(tables)} is shown.",
        f"revoke {service} from {login}",
        tables,
    )
