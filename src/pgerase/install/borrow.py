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
