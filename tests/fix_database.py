"""Fresh databases and roles, all dropped again, with names of their own for every run, worker and database.

Nothing here is a superuser but `admin`: the owner installs as a real application's owner would, and people log in as roles
that a DBA made.
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
def database(databases: Callable[..., FreshDatabase]) -> FreshDatabase:
    """A fresh, empty database."""
    return databases()
