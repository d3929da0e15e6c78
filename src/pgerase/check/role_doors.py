"""Roles that are bound by no policy, can undo them, or can become one that is or can."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from pgerase.catalog.model import Name
from pgerase.check.door import Door
from pgerase.check.door_codes import Code
from pgerase.check.look import ADMIN_OPTION_NEEDED, Look
from pgerase.check.spelling import (
    in_sql,
    roles_in_sql,
    routine_in_sql,
    routine_kind,
    spell,
    spell_all,
    spell_routine,
    table_in_sql,
)
from pgerase.errors import Severity

_STRONG_ROLES: Mapping[str, str] = {
    "pg_execute_server_program": "runs programs on the server as its operating-system user, who can do anything",
    "pg_read_server_files": "reads any file of the server, the database's own included",
    "pg_write_server_files": "writes any file of the server, and so can become superuser",
    "pg_read_all_data": "reads every table, view and schema: what is not governed, and the private lookup views with facts",
    "pg_write_all_data": "writes every table that is not governed, membership and settings tables perhaps",
    "pg_read_all_stats": "reads the statements of all sessions, with the values in them, and statistics of all columns",
}
"""Predefined role → what its members get around row security; pg_monitor is a member of pg_read_all_stats."""


def role_doors(look: Look) -> Iterator[Door]:
    """Doors that are roles and memberships."""
    yield from _unbound(look)
    yield from _who_can_be_unbound(look)
    yield from _owners(look)
    yield from _schema_owners(look)
    yield from _code_owners(look)
    yield from _who_can_act_as_owner(look)
    yield from _role_makers(look)
    yield from _replicating(look)
    yield from _members_of_private(look)
    yield from _changed_private(look)
    yield from _private_schemas(look)
    yield from _predefined(look)


def _unbound(look: Look) -> Iterator[Door]:
    for role in look.catalog.roles.values():
        name = role.name
        if role.superuser:
            yield Door(
                Code.SUPERUSER,
                "superuser",
                name,
                look.severity(name),
                f"superuser {name} is bound by no policy and can undo everything.",
                "It has to be somebody (the first one of a cluster stays one), but none that an application logs in with",
                f"alter role {in_sql(name)} nosuperuser;",
            )
        elif role.bypassrls:
            yield Door(
                Code.BYPASSRLS,
                "bypassrls",
                name,
                look.severity(name),
                f"role {name} has BYPASSRLS: no policy binds it.",
                fix=f"alter role {in_sql(name)} nobypassrls;",
            )


def _who_can_be_unbound(look: Look) -> Iterator[Door]:
    graph = look.graph
    superusers = {role.name for role in look.catalog.roles.values() if role.superuser}
    bypassing = {role.name for role in look.catalog.roles.values() if role.bypassrls} - superusers
    for role in look.catalog.roles.values():
        if role.superuser:
            continue
        become = look.could(role.name, graph.could_set, graph.can_set)
        for kind, targets in (("superuser", superusers), ("bypassrls", bypassing)):
            reach = sorted((become & targets) - {role.name})
            if reach:
                yield Door(
                    Code.SET_ROLE,
                    kind,
                    role.name,
                    look.severity(role.name),
                    f"role {role.name} can SET ROLE to {', '.join(reach)}, which no policy binds.",
                    fix=look.revokes(role.name, reach, lambda name: look.could(name, graph.could_set, graph.can_set)),
                )


def _owners(look: Look) -> Iterator[Door]:
    for owner in look.owners:
        attributes = look.catalog.roles.get(owner)
        if attributes is not None and attributes.superuser:
            continue
        # Whoever can act as a role that nobody logs in with is a door of his own.
        if attributes is not None and not attributes.login:
            continue
        owned = tuple(sorted(name for name in look.covered if look.catalog.tables[name].owner == owner))
        yield Door(
            Code.OWNER,
            "owner",
            owner,
            look.severity(owner),
            f"role {owner} owns {spell_all(owned)}: it can drop policies, turn row security off and grant rights.",
            "Let a role own them that nobody logs in with, and give it only to who migrates",
            f"alter role {in_sql(owner)} nologin;",
            owned,
        )


def _schema_owners(look: Look) -> Iterator[Door]:
    for schema in sorted({name.schema for name in look.covered}):
        owner = look.catalog.schemas[schema].owner
        if owner == "pg_database_owner":
            owner = look.catalog.owner
        attributes = look.catalog.roles.get(owner)
        if owner not in look.owners and attributes is not None and not attributes.superuser:
            yield Door(
                Code.SCHEMA_OWNER,
                "owner",
                owner,
                look.severity(owner),
                f"role {owner} owns schema {schema}: it can drop its tables and put others in their place.",
                fix=f"alter schema {in_sql(schema)} owner to {in_sql(look.owners[0])};",
            )


def _code_owners(look: Look) -> Iterator[Door]:
    """Who may change what governed tables run: functions of their expressions and triggers, and domains of their columns.

    A domain's owner can have every row there is checked, and whoever writes runs the rest with rights of his own.
    """
    routines = {routine.oid: routine for routine in look.catalog.routines}
    owned: defaultdict[str, dict[str, str]] = defaultdict(dict)
    tables: defaultdict[str, set[Name]] = defaultdict(set)
    for name in look.covered:
        table = look.catalog.tables[name]
        found = [
            (domain.owner, f"domain {spell(domain.name)}", f"domain {table_in_sql(domain.name)}")
            for column in table.columns
            for domain in column.domains
        ]
        found += [
            (one.owner, f"{routine_kind(one)} {spell_routine(one)}", f"routine {routine_in_sql(one)}")
            for call in table.calls
            # A cast runs only where an expression asks for it.
            if call.kind != "cast"
            and (one := routines.get(call.routine)) is not None
            and not look.own.made_routine(one)
        ]
        for owner, what, in_statement in found:
            if owner not in look.owners and not look.is_unbound(owner):
                owned[owner][what] = f"alter {in_statement} owner to {in_sql(table.owner)};"
                tables[owner].add(name)
    for owner, fixes in sorted(owned.items()):
        yield Door(
            Code.CODE_OWNER,
            "owner",
            owner,
            look.severity(owner),
            f"role {owner} owns {', '.join(sorted(fixes))}, which {spell_all(sorted(tables[owner]))} run: it can have it look at"
            " every row that is written, or, of a domain, that is there.",
            fix="\n".join(fixes[what] for what in sorted(fixes)),
            tables=tuple(sorted(tables[owner])),
        )


def _who_can_act_as_owner(look: Look) -> Iterator[Door]:
    graph = look.graph
    for role in look.catalog.roles.values():
        if role.superuser or role.name in look.owners:
            continue
        reach = sorted(look.could(role.name, graph.could_become, graph.acts_as) & set(look.owners))
        if reach:
            yield Door(
                Code.ACTS_AS_OWNER,
                "owner",
                role.name,
                look.severity(role.name),
                f"role {role.name} can act as {', '.join(reach)}, who owns governed tables and can undo everything.",
                fix=look.revokes(role.name, reach, lambda name: look.could(name, graph.could_become, graph.acts_as)),
            )


def _role_makers(look: Look) -> Iterator[Door]:
    private = {look.own.viewer, *look.own.private}
    for role in look.catalog.roles.values():
        if not role.createrole or role.superuser:
            continue
        if look.catalog.server_version < ADMIN_OPTION_NEEDED:
            severity, why = Severity.WARNING, "before PostgreSQL 16 it can grant itself every role but superusers"
        else:
            become = look.graph.could_become(role.name) - {role.name}
            reach = sorted(become & (private | set(look.owners)))
            severity = Severity.WARNING if reach else Severity.NOTE
            why = f"it can make itself a member of {', '.join(reach)}" if reach else "it can make more roles"
        yield Door(
            Code.CREATEROLE,
            "createrole",
            role.name,
            look.severity(role.name, severity),
            f"role {role.name} has CREATEROLE: {why}.",
            "Once everything is installed",
            f"alter role {in_sql(role.name)} nocreaterole;",
        )


def _replicating(look: Look) -> Iterator[Door]:
    for role in look.catalog.roles.values():
        if role.replication and not role.superuser:
            yield Door(
                Code.REPLICATION,
                "replication",
                role.name,
                look.severity(role.name),
                f"role {role.name} has REPLICATION: it can copy the whole cluster and stream every change.",
                fix=f"alter role {in_sql(role.name)} noreplication;",
            )


def _members_of_private(look: Look) -> Iterator[Door]:
    for membership in look.catalog.memberships:
        if membership.role in look.own.private and (membership.inherit or membership.set):
            how = " and ".join(
                word for word, is_on in (("inherits", membership.inherit), ("can SET ROLE to", membership.set)) if is_on
            )
            yield Door(
                Code.PRIVATE_MEMBER,
                "member",
                f"{membership.role}/{membership.member}",
                Severity.ERROR,
                f"role {membership.member} {how} {membership.role}, whose policies show it every row.",
                fix=look.revoke(membership),
            )


def _changed_private(look: Look) -> Iterator[Door]:
    for name in (look.own.viewer, *look.own.private):
        role = look.catalog.roles.get(name)
        if role is None:
            continue
        excess = [
            word
            for word, is_on in (
                ("LOGIN", role.login),
                ("SUPERUSER", role.superuser),
                ("BYPASSRLS", role.bypassrls),
                ("CREATEROLE", role.createrole),
                ("REPLICATION", role.replication),
            )
            if is_on
        ]
        if excess:
            yield Door(
                Code.PRIVATE_ROLE,
                "role",
                name,
                Severity.ERROR,
                f"role {name} was given {', '.join(excess)}; pgerase makes it with none of these.",
                fix=f"alter role {in_sql(name)} " + " ".join(f"no{word.lower()}" for word in excess) + ";",
            )


def _private_schemas(look: Look) -> Iterator[Door]:
    for schema_name in (look.own.internal_schema, look.own.lookup_schema, look.own.eraser_schema):
        schema = look.catalog.schemas.get(schema_name)
        if schema is None:
            continue
        for grant in schema.grants:
            if grant.grantee not in (schema.owner, *look.own.private):
                yield Door(
                    Code.PRIVATE_SCHEMA,
                    "grant",
                    f"{grant.grantee}/{schema_name}",
                    Severity.ERROR,
                    f"{grant.grantee} has {grant.privilege} on schema {schema_name}: what lies there reads past every policy.",
                    fix=f"revoke all on schema {in_sql(schema_name)} from {roles_in_sql([grant.grantee])};",
                )


def _predefined(look: Look) -> Iterator[Door]:
    for role in look.catalog.roles.values():
        if role.superuser or role.name.startswith("pg_"):
            continue
        for strong in sorted(look.graph.acts_as(role.name) & _STRONG_ROLES.keys()):
            yield Door(
                Code.PREDEFINED_ROLE,
                "member",
                f"{strong}/{role.name}",
                look.severity(role.name),
                f"role {role.name} is a member of {strong}: it {_STRONG_ROLES[strong]}.",
                fix=look.revokes(role.name, [strong], look.graph.acts_as),
            )
