"""The role part of an installation as a script, for somebody who may create roles where the installing role may not."""

from __future__ import annotations

from pgerase.database import Database
from pgerase.install.names import Names
from pgerase.install.steps import refuse_others
from pgerase.install.survey import Survey, survey
from pgerase.render.environment import render


def roles_sql(database: Database, prefix: str) -> str:
    """What somebody who may create roles runs with psql, so that the connecting role can install and apply.

    It holds only what is missing. Raises Refused where a role of that name is somebody else's.
    """
    names = Names(prefix)
    with database.transaction(read_only=True):
        found = survey(database, names)
    refuse_others(found, names)
    parts = [
        render("install/create_role", role=role, comment=names.role_comment(found.database))
        for role in names.roles
        if role not in found.roles
    ]
    unadministered = [role for role in names.roles if not _administers(found, role)]
    if unadministered and not found.superuser:
        parts.append(
            render(
                "install/grant_admin",
                roles=unadministered,
                grantee=found.installer,
                separate_options=found.server_version >= 160000,
            )
        )
    if not found.can_create:
        parts.append(render("install/grant_database", database=found.database, grantee=found.installer))
    if not parts:
        return "-- Nothing to do: the roles are there, and the connecting role may administer them.\n"
    return "\n".join([*_head(found), *parts, "commit;\n"])


def _head(found: Survey) -> list[str]:
    lines = ["\\set ON_ERROR_STOP on\n", "begin;\n"]
    if found.server_version >= 160000:
        # Or whoever runs this might become a member of what it makes.
        lines.append("set local createrole_self_grant = '';\n")
    return lines


def _administers(found: Survey, role: str) -> bool:
    """Before PostgreSQL 16 whoever may create roles administers all of them."""
    return (found.createrole and found.server_version < 160000) or any(
        membership.role == role and membership.member == found.installer and membership.admin
        for membership in found.memberships
    )
