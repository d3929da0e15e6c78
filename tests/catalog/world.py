"""A small application owned by a plain role, to build faults in: companies, notes, and events in partitions."""

from __future__ import annotations

import psycopg
from psycopg import sql

from pgerase.catalog.model import Catalog, Name
from pgerase.catalog.read import read_catalog
from pgerase.check.door import Door
from pgerase.check.doors import doors
from pgerase.database import Database
from pgerase.errors import Position
from pgerase.rules.pack import AcceptedDoor, Acknowledgement, PackSettings
from tests.fix_database import FreshDatabase

COMPANY, NOTE, EVENT, EVENT_1 = (Name("app", name) for name in ("company", "note", "event", "event_1"))
GOVERNED = (COMPANY, NOTE, EVENT)
HERE = Position("pack.yaml", 1, 1)

_SCHEMA = """
create schema app;
create table app.company (id integer primary key, name text);
create table app.note (id integer primary key, company_id integer references app.company, body text);
create table app.event (id integer, at integer) partition by list (at);
create table app.event_1 partition of app.event for values in (1);
create table app.free (id integer primary key, company_id integer);
"""


class World:
    """The application and its roles: `web` is a viewer, `etl` a service, `other` neither.

    Everything is done on one connection of a superuser, and so can be taken back by rolling its transaction back.
    """

    def __init__(self, database: FreshDatabase, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.prefix = database.prefix
        self.owner = database.owner
        self.web, self.etl, self.other = (f"{self.prefix}x_{name}" for name in ("web", "etl", "other"))

    @classmethod
    def make(cls, database: FreshDatabase) -> World:
        """The application in a fresh database, committed as it is made."""
        for name in ("web", "etl", "other"):
            database.role(name)
        world = cls(database, database.connect_admin())
        world.do(_SCHEMA)
        return world

    def role(self, name: str, attributes: str = "") -> str:
        """One more login role, by its name in full; `attributes` are words of CREATE ROLE."""
        role = f"{self.prefix}x_{name}"
        self.connection.execute(sql.SQL("create role {} login {}").format(sql.Identifier(role), sql.SQL(attributes)))  # pyright: ignore[reportArgumentType]
        return role

    def do(self, script: str) -> None:
        """Run statements as the owner; names in braces are roles of this world."""
        self.run_as(self.owner, self._spelt(script))

    def admin(self, script: str) -> None:
        """Run statements as a superuser."""
        self.connection.execute(self._spelt(script))

    def run_as(self, role: str, script: sql.Composed | bytes) -> tuple[object, ...] | None:
        """Run statements logged in as a role, whole or not at all; the first row of the last one, if it returns any."""
        self.connection.execute(sql.SQL("set session authorization {}").format(sql.Identifier(role)))
        try:
            with self.connection.transaction():
                cursor = self.connection.execute(script)
                while cursor.nextset():
                    pass
                return cursor.fetchone() if cursor.description else ()
        finally:
            self.connection.execute("reset session authorization")

    def _spelt(self, script: str) -> sql.Composed:
        names = {name: sql.Identifier(getattr(self, name)) for name in ("owner", "web", "etl", "other")}
        own = {
            name: sql.Identifier(f"{self.prefix}_{name}")
            for name in ("viewer", "lookup", "eraser", "secret", "masker", "keeper")
        }
        schemas = {"internal": sql.Identifier(f"{self.prefix}_internal"), "api": sql.Identifier(self.prefix)}
        return sql.SQL(script).format(**names, **own, **schemas)  # pyright: ignore[reportArgumentType]

    def install(self) -> None:
        """What `install` and `apply` leave behind, as far as doors look at it: roles, membership, forced tables, policies."""
        self.admin(
            "create role {viewer}; create role {lookup}; create role {eraser}; create role {secret}; create role {masker};"
            "create role {keeper};"
            "grant {viewer} to {web}"
        )
        for table in ("company", "note", "event", "event_1"):
            self.do(
                f"alter table app.{table} enable row level security; alter table app.{table} force row level security;"
                f'create policy "{self.prefix}_read" on app.{table} for select to {{viewer}} using (id = 1);'
                f"comment on policy \"{self.prefix}_read\" on app.{table} is 'Rules. [pgerase rule=x sha256=00]';"
                f'create policy "{self.prefix}_eraser" on app.{table} for all to {{eraser}} using (true);'
                f"comment on policy \"{self.prefix}_eraser\" on app.{table} is 'Erasing. [pgerase exempt]';"
            )

    def catalog(self) -> Catalog:
        with self.connection.transaction():
            return read_catalog(Database(self.connection))

    def doors(self) -> list[Door]:
        """Doors of this database's own roles and objects: the cluster's other roles belong to other tests."""
        catalog = self.catalog()
        strangers = {role for role in catalog.roles if not role.startswith(self.prefix)} - {"public"}
        found = doors(catalog, GOVERNED, self.prefix)
        return [door for door in found if door.name.rpartition("/")[2] not in strangers]


def settings(
    *, acknowledged: tuple[Acknowledgement, ...] = (), accepted: tuple[AcceptedDoor, ...] = ()
) -> PackSettings:
    return PackSettings(
        name="test",
        prefix="pgerase",
        schemas=(),
        app=(),
        services=(),
        migrator=None,
        tables=(),
        acknowledged=acknowledged,
        accepted=accepted,
        at=HERE,
    )
