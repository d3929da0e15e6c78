"""What surrounds the policies: exempt readers, grants of pgerase's own roles, members of the viewer role, the migrator."""

from __future__ import annotations

from collections.abc import Iterable

from pgerase.catalog.model import Catalog, Name
from pgerase.compile import bound, sql
from pgerase.compile.bind_names import nearest
from pgerase.compile.desired import DesiredGrant, DesiredMembership, DesiredPolicy, DesiredRoleSetting
from pgerase.compile.emit import Facts
from pgerase.compile.naming import Naming
from pgerase.compile.sql import qualified
from pgerase.errors import Finding, Position, Severity
from pgerase.rules.names import TableName
from pgerase.rules.pack import Pack


def matches(wanted: TableName, name: Name) -> bool:
    """Whether a table name as written means this table."""
    return wanted.name == name.name and wanted.schema in (None, name.schema)


def unknown_roles(pack: Pack, catalog: Catalog) -> tuple[Finding, ...]:
    """Roles that pack.yaml names and the cluster does not have."""
    at = pack.settings.roles_at or pack.settings.at
    named: list[tuple[str, Position]] = [(role, at) for role in pack.settings.app]
    named += [(service.role, service.at) for service in pack.settings.services]
    if pack.settings.migrator is not None:
        named.append((pack.settings.migrator, at))
    return tuple(
        Finding("unknown-role", Severity.ERROR, role, f"there is no role {role}", nearest(role, catalog.roles), at)
        for role, at in named
        if role not in catalog.roles
    )


def unknown_schemas(pack: Pack, catalog: Catalog) -> tuple[Finding, ...]:
    """Schemas that pack.yaml names and the database does not have. Nothing depends on them, so it is a warning."""
    return tuple(
        Finding(
            "unknown-schema",
            Severity.WARNING,
            schema.name,
            f"there is no schema {schema.name}",
            nearest(schema.name, catalog.schemas),
            schema.at,
        )
        for schema in pack.settings.schemas
        if schema.name not in catalog.schemas
    )


def leaves_too(catalog: Catalog, tables: Iterable[Name]) -> list[Name]:
    """Tables and all their leaves, each once, in order of first appearance."""
    return list(dict.fromkeys(name for table in tables for name in (table, *catalog.leaves(table))))


def exempt(pack: Pack, catalog: Catalog, naming: Naming, tables: tuple[Name, ...]) -> list[DesiredPolicy]:
    """SELECT for pgerase's own lookup role and for services, on every governed table and leaf.

    The lookup role reads those as well that no blind view selects from: verify and backup-check compare with all rows, and
    where row security is forced nobody else but a superuser could show them.
    """
    policies = [
        _exempt_policy(name, naming.policy("lookup", "reads"), naming.lookup, "Blind lookups of pgerase itself.")
        for name in leaves_too(catalog, tables)
    ]
    for service in pack.settings.services:
        wanted = [
            name for name in tables if service.tables is None or any(matches(one, name) for one in service.tables)
        ]
        policy, why = naming.policy("service", service.role), f"Service {service.role}: {service.reason}."
        policies.extend(_exempt_policy(name, policy, service.role, why) for name in leaves_too(catalog, wanted))
    return policies


def _read_by_lookup(facts: Facts, rules: bound.BoundRules) -> set[Name]:
    """Application tables that the blind views select from."""
    read = set(facts.tables)
    read |= {rules.resource(name).table.name for name, _ in facts.may}
    read |= {rules.resource(name).table.name for name, _ in facts.meets}
    if rules.people is not None:
        read.add(rules.people.table.name)
    return read


def _exempt_policy(table: Name, name: str, role: str, why: str) -> DesiredPolicy:
    return DesiredPolicy(table, name, "SELECT", True, (role,), "true", None, f"{why} [pgerase exempt]")


def lookup_grants(
    catalog: Catalog, facts: Facts, rules: bound.BoundRules, naming: Naming, governed: tuple[Name, ...]
) -> list[DesiredGrant]:
    """SELECT on what the blind views read and on every governed table, and USAGE on schemas that are not everybody's.

    The tables' owner could not even give USAGE on schema public: it belongs to the database's owner.
    """
    tables = sorted({*_read_by_lookup(facts, rules), *governed})
    schemas = closed_schemas(catalog, tables)
    api = sql.ident(naming.api)
    return [
        # Guards and their question live where viewers may call them, with the views' owner as theirs.
        DesiredGrant("schema", api, "usage", naming.lookup),
        DesiredGrant("schema", api, "create", naming.lookup),
        *(DesiredGrant("schema", sql.ident(schema), "usage", naming.lookup) for schema in schemas),
        *(DesiredGrant("table", qualified(table), "select", naming.lookup) for table in tables),
    ]


def closed_schemas(catalog: Catalog, tables: Iterable[Name]) -> list[str]:
    """The tables' schemas that are not everybody's to use, in name order."""
    open_to_all = {
        schema.name
        for schema in catalog.schemas.values()
        if any(grant.grantee == "public" and grant.privilege == "USAGE" for grant in schema.grants)
    }
    return sorted({table.schema for table in tables} - open_to_all)


def viewer_logins(pack: Pack, catalog: Catalog) -> tuple[str, ...]:
    """The logins of the application: those pack.yaml names, else the connecting one."""
    return pack.settings.app or (catalog.current_user,)


def idle_logins(pack: Pack, catalog: Catalog) -> tuple[Finding, ...]:
    """Applications' roles that do not inherit: no policy is for them, whatever they are members of."""
    hint = "Name the roles that it sets instead; or make it INHERIT before applying."
    return tuple(
        Finding(
            "app-noinherit", Severity.WARNING, role, f"{role} is NOINHERIT: it sees nothing until it sets a role", hint
        )
        for role in pack.settings.app
        if not catalog.roles[role].inherit
    )


def members(
    pack: Pack, resources: Iterable[bound.BoundResource], catalog: Catalog, naming: Naming
) -> list[DesiredMembership]:
    """Logins of applications and roles named in rules become members of the viewer role."""
    named = {role for resource in resources for rule in resource.rules for role in rule.roles}
    return [DesiredMembership(naming.viewer, role) for role in sorted({*viewer_logins(pack, catalog), *named})]


def migrator(pack: Pack, catalog: Catalog) -> list[DesiredRoleSetting]:
    """The migrator's statements fail instead of seeing nothing, unless it is also an application login."""
    role = pack.settings.migrator
    if role is None or role in viewer_logins(pack, catalog):
        return []
    return [DesiredRoleSetting(role, "row_security", "off")]
