"""Fresh databases and roles, all dropped again, with names of their own for every run, worker and database.

Nothing here is a superuser but `admin`: the owner installs as a real application's owner would, and people log in as roles
that a DBA made.

Roles are the whole server's, other workers' included. A test that gives one pg_read_all_data or pg_write_all_data gives it
the data of every test, whose plans then refuse it: it does so in a transaction that it rolls back.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from itertools import count

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.fix_server import TestServer, drop_named


class FreshDatabase:
    """One database of its own. `owner` has CREATE on it and CREATEROLE; it is no superuser and does not own the database."""

    def __init__(self, server: str, prefix: str, template: str) -> None:
        self.prefix = prefix
        self.name = prefix
        self._server = server
        self._template = template
        self._passwords: dict[str, str] = {}
        self._connections: list[psycopg.Connection] = []
        self.owner = self.role("owner", "createrole")

    def dsn(self, user: str | None = None) -> str:
        """A libpq connection string for a role made by `role`, by default the owner."""
        user = user or self.owner
        return make_conninfo(self._server, dbname=self.name, user=user, password=self._passwords.get(user, ""))

    @property
    def admin_dsn(self) -> str:
        """A superuser's connection string."""
        return make_conninfo(self._server, dbname=self.name)

    def connect(self, user: str | None = None) -> psycopg.Connection:
        """Connect, autocommitting, as a role made by `role`, by default the owner; closed when the test ends."""
        return self._keep(psycopg.connect(self.dsn(user), autocommit=True))

    def connect_admin(self) -> psycopg.Connection:
        """Connect as superuser, autocommitting; closed when the test ends."""
        return self._keep(psycopg.connect(self.admin_dsn, autocommit=True))

    def role(self, name: str, attributes: str = "") -> str:
        """Make a login role and return its name, which is unique; `attributes` are words of CREATE ROLE."""
        # The x keeps it apart from the roles pgerase makes with this prefix; 63 bytes are all that a name may have.
        role = f"{self.prefix}x_{name}"[:63]
        password = secrets.token_urlsafe(12)
        statement = sql.SQL("create role {} login {} password {}").format(
            sql.Identifier(role), sql.SQL(attributes), sql.Literal(password)
        )
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(statement)
        self._passwords[role] = password
        return role

    def create(self) -> None:
        """Make the database from its template and let the owner work in it."""
        name, owner = sql.Identifier(self.name), sql.Identifier(self.owner)
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(
                sql.SQL("create database {} template {} encoding 'UTF8'").format(name, sql.Identifier(self._template))
            )
            connection.execute(sql.SQL("grant create on database {} to {}").format(name, owner))
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("grant create on schema public to {}").format(owner))

    def adopt(self, former_owner: str) -> None:
        """Give what a template brought along to this database's owner."""
        with psycopg.connect(self.admin_dsn, autocommit=True) as connection:
            connection.execute(
                sql.SQL("reassign owned by {} to {}").format(sql.Identifier(former_owner), sql.Identifier(self.owner))
            )
            connection.execute(sql.SQL("drop owned by {}").format(sql.Identifier(former_owner)))

    def close(self) -> None:
        """Close every connection a test was given."""
        while self._connections:
            self._connections.pop().close()

    def drop(self) -> None:
        """Drop the database and every role that begins with its prefix, those pgerase installed included."""
        self.close()
        with psycopg.connect(self._server, autocommit=True) as connection:
            drop_named(connection, self.prefix)

    def _keep(self, connection: psycopg.Connection) -> psycopg.Connection:
        self._connections.append(connection)
        return connection


_ROLES = """
select role.rolname::text as name, pg_catalog.to_jsonb(role)::text as state
from pg_catalog.pg_roles as role
where pg_catalog.starts_with(role.rolname, %(prefix)s)
union all
select
    member.rolname::text,
    pg_catalog.concat_ws(' ', given.rolname, grantor.rolname, pg_catalog.to_jsonb(membership) - 'oid')
from pg_catalog.pg_auth_members as membership
    join pg_catalog.pg_roles as given on given.oid = membership.roleid
    join pg_catalog.pg_roles as member on member.oid = membership.member
    join pg_catalog.pg_roles as grantor on grantor.oid = membership.grantor
where pg_catalog.starts_with(member.rolname, %(prefix)s)
order by 1, 2
"""


class DatabaseCopy(FreshDatabase):
    """A copy of a database with all that is in it, and with the same roles, made in a fraction of the time.

    Roles that it makes go with it; the others are everybody's, so that a test that changes one of those fails when it ends.
    Meanwhile nobody is connected to the original.
    """

    def __init__(self, original: FreshDatabase) -> None:
        self.prefix = original.prefix
        self.name = f"{original.prefix}c"
        self.owner = original.owner
        self._server = original._server
        self._template = original.name
        self._passwords = dict(original._passwords)
        self._connections = []
        original.close()
        self._before = self._roles()

    def drop(self) -> None:
        """Drop the database and the roles that were made for it. Fails where those of the original are not as they were."""
        self.close()
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(self.name)))
            known = {name for name, _ in self._before}
            for name in sorted({name for name, _ in self._roles()} - known):
                connection.execute(sql.SQL("drop role {}").format(sql.Identifier(name)))
        assert self._roles() == self._before, "this test changes roles: it needs a database of its own"

    def _roles(self) -> list[tuple[str, str]]:
        with psycopg.connect(self._server, autocommit=True) as connection:
            return connection.execute(_ROLES, {"prefix": self.prefix}).fetchall()


@pytest.fixture(scope="session")
def unique_prefix(test_server: TestServer, request: pytest.FixtureRequest) -> Callable[[], str]:
    """`unique_prefix()`: a name that no other run, worker or database has, and that begins no other one."""
    worker = getattr(request.config, "workerinput", {"workerid": "m"})["workerid"]
    numbers = count(1)
    return lambda: f"{test_server.run}{worker}n{next(numbers):04}"


@pytest.fixture
def databases(server: str, unique_prefix: Callable[[], str]) -> Iterator[Callable[..., FreshDatabase]]:
    """`databases()`: one more fresh database; `databases(template=…)` a copy of another one."""
    made: list[FreshDatabase] = []

    def make(template: str = "template0") -> FreshDatabase:
        database = FreshDatabase(server, unique_prefix(), template)
        made.append(database)
        database.create()
        return database

    yield make
    # Connections first: a transaction left open in one database may wait for another one's.
    for database in made:
        database.close()
    for database in made:
        database.drop()


@pytest.fixture
def copy_of() -> Iterator[Callable[[FreshDatabase], DatabaseCopy]]:
    """`copy_of(database)`: a copy with the same roles, gone when the test ends."""
    made: list[DatabaseCopy] = []

    def make(original: FreshDatabase) -> DatabaseCopy:
        copy = DatabaseCopy(original)
        made.append(copy)
        copy.create()
        return copy

    yield make
    for copy in made:
        copy.drop()


@pytest.fixture
def database(databases: Callable[..., FreshDatabase]) -> FreshDatabase:
    """A fresh, empty database."""
    return databases()
