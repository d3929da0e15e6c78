"""The rights of pgerase's private roles, for the length of a block: nobody stays a member of them.

It knows nothing of what is done with those rights. Superusers have them anyway and are granted nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from pgerase.database import Database
from pgerase.errors import DatabaseFailed, InternalError, Refused
from pgerase.render.environment import render

NOT_ALLOWED = "42501"
"""insufficient_privilege."""


@contextmanager
def borrowed(database: Database, *roles: str) -> Generator[None]:
    """Make the current role a member of `roles` until the block ends; inside a transaction only.

    Where the block fails, the transaction takes the memberships back. Before PostgreSQL 16 a membership that an
    administrator gave for installing ends with the block too: there, one cannot administer a role without being a member.
    Raises Refused where the current role may not administer them.
    """
    if not database.in_transaction:
        raise InternalError("borrowing outside a transaction")
    if database.value("select rolsuper from pg_catalog.pg_roles where rolname = current_user"):
        yield
        return
    try:
        database.run(render("install/borrow_roles", roles=roles))
    except DatabaseFailed as error:
        if error.sqlstate != NOT_ALLOWED:
            raise
        raise Refused(
            f"the current role may not administer {', '.join(roles)}: {error.message}",
            hint="somebody who may runs what `pgerase install --roles-sql` prints; then try again",
        ) from error
    yield
    database.run(render("install/return_roles", roles=roles))


@contextmanager
def acting_as(database: Database, role: str) -> Generator[None]:
    """Do what is done in the block as `role`: what it makes belongs to it, and gets nobody's default privileges.

    Inside a transaction only; where the block fails, the transaction restores the role. Raises DatabaseFailed.
    """
    before = database.value("select pg_catalog.current_setting('role')")
    database.rows("select pg_catalog.set_config('role', %s, true)", [role])
    yield
    database.rows("select pg_catalog.set_config('role', %s, true)", [before])


@contextmanager
def lent(database: Database, role: str) -> Generator[None]:
    """Act as `role` outside transactions, for what PostgreSQL does nowhere else: the membership is committed for that long.

    Whoever is killed in the block leaves it behind, so whoever comes next calls `take_back` first. Raises Refused where the
    current role may not administer the role, DatabaseFailed.
    """
    if database.in_transaction:
        raise InternalError("lending inside a transaction")
    given = not _may_act_as(database, role)
    if given:
        try:
            database.run(render("install/borrow_roles", roles=(role,)))
        except DatabaseFailed as error:
            if error.sqlstate != NOT_ALLOWED:
                raise
            raise Refused(
                f"the current role may not administer {role}: {error.message}",
                hint="somebody who may runs what `pgerase install --roles-sql` prints; then try again",
            ) from error
    try:
        database.rows("select pg_catalog.set_config('role', %s, false)", [role])
        yield
    finally:
        # A connection that is lost has no role any more; the membership waits for the next one.
        if not database.closed:
            database.run("reset role")
            if given:
                database.run(render("install/return_roles", roles=(role,)))


def take_back(database: Database, role: str) -> bool:
    """End a membership that the current role gave itself and was killed with; whether there was one. Raises DatabaseFailed."""
    statement = (
        "select 1 from pg_catalog.pg_auth_members as membership"
        " join pg_catalog.pg_roles as given on given.oid = membership.roleid"
        " join pg_catalog.pg_roles as own on own.oid = membership.member and own.oid = membership.grantor"
        " where given.rolname = %s and own.rolname = current_user and not own.rolsuper"
    )
    if not database.rows(statement, [role]):
        return False
    database.run(render("install/return_roles", roles=(role,)))
    return True


def _may_act_as(database: Database, role: str) -> bool:
    """Whether the current role may become the other one as it is: a superuser may, and before PostgreSQL 16 any member."""
    kind = "SET" if database.server_version >= 160000 else "MEMBER"
    return bool(database.value("select pg_catalog.pg_has_role(current_user, %s::pg_catalog.name, %s)", [role, kind]))
