"""Logins that become others: they act for people as an application's login does, or read as a service does, unnamed by the pack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from pgerase.catalog.model import Name
from pgerase.check.door import Door
from pgerase.check.door_codes import Code
from pgerase.check.look import Look
from pgerase.check.spelling import spell_all
from pgerase.errors import Severity


def impersonators(look: Look) -> Iterator[Door]:
    """Doors of kind `member`, `role/login`. Who owns the tables or is bound by no policy is a greater door of its own.

    Where people are their logins, SET ROLE changes nothing about who somebody is, and only services count.
    """
    catalog, graph, own = look.catalog, look.graph, look.own
    speakers = look.named | {
        membership.member
        for membership in catalog.memberships
        if membership.role == own.viewer and (membership.inherit or membership.set)
    }
    services = _services(look)
    unbound = {role.name for role in catalog.roles.values() if role.superuser or role.bypassrls}
    for login in sorted(role.name for role in catalog.roles.values() if role.login):
        become = graph.acts_as(login)
        if become & set(look.owners) or graph.can_set(login) & unbound:
            continue
        if not look.by_login and login not in speakers and become & speakers:
            yield _speaker(look, login, sorted(become & speakers))
        for service in sorted((become & services.keys()) - {login}):
            yield _reader(look, login, service, tuple(sorted(services[service])), is_viewer=own.viewer in become)


def _services(look: Look) -> dict[str, set[Name]]:
    """The roles, but pgerase's own, that a policy of pgerase shows every row, and of which tables."""
    own = look.own
    found: defaultdict[str, set[Name]] = defaultdict(set)
    for name in look.covered:
        for policy in look.catalog.tables[name].policies:
            if own.made_policy(policy) and policy.permissive and policy.command == "SELECT" and policy.using == "true":
                for role in policy.roles:
                    if role in look.catalog.roles and not own.role(role):
                        found[role].add(name)
    return found


def _speaker(look: Look, login: str, roles: list[str]) -> Door:
    listed = ", ".join(roles)
    inherits = look.own.viewer in look.graph.inherited(login)
    how = "inherits from" if inherits else "can SET ROLE to"
    before = "" if inherits else "; until it does, no rule is for it"
    # A role that cannot log in was named for the logins that use it; to be another login is nothing the pack says.
    expected = not any(look.catalog.roles[role].login for role in roles if role in look.catalog.roles)
    return Door(
        Code.SPEAKS_FOR_OTHERS,
        "member",
        f"{look.own.viewer}/{login}",
        Severity.NOTE if expected else Severity.WARNING,
        f"login {login} {how} {listed}: it acts for whomever it likes, as an application's login does{before}.",
        fix=look.revokes(login, roles, look.graph.acts_as),
    )


def _reader(look: Look, login: str, service: str, tables: tuple[Name, ...], *, is_viewer: bool) -> Door:
    what = "an application's login, acts as" if is_viewer else "can act as"
    return Door(
        Code.SERVICE_MEMBER,
        "member",
        f"{service}/{login}",
        Severity.ERROR if is_viewer else Severity.WARNING,
        f"role {login} {what} the service {service}, to whom every row of {spell_all(tables)} is shown.",
        fix=look.revokes(login, [service], look.graph.acts_as),
        tables=tables,
    )
