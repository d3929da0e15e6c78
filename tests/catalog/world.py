"""A small application owned by a plain role, to build faults in: companies, notes, and events in partitions."""

from __future__ import annotations

from psycopg import sql

from pgerase.catalog.model import Catalog, Name
from pgerase.catalog.read import read_catalog
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
    """The application and its roles: `web` is a viewer, `etl` a service, `other` neither."""

    def __init__(self, database: FreshDatabase) -> None:
        self.database = database
        self.owner = database.owner
        self.prefix = database.prefix
        self.web = database.role("web")
        self.etl = database.role("etl")
        self.other = database.role("other")
        self._owner = database.connect()
        self._admin = database.connect_admin()
        self.do(_SCHEMA)

    def do(self, script: str) -> None:
        """Run statements as the owner; names in braces are roles of this world."""
        self._owner.execute(self._spelt(script))

    def admin(self, script: str) -> None:
        """Run statements as a superuser."""
        self._admin.execute(self._spelt(script))

    def _spelt(self, script: str) -> sql.Composed:
        names = {name: sql.Identifier(getattr(self, name)) for name in ("owner", "web", "etl", "other")}
        own = {
            name: sql.Identifier(f"{self.prefix}_{name}") for name in ("viewer", "lookup", "eraser", "secret", "masker")
        }
        schemas = {"internal": sql.Identifier(f"{self.prefix}_internal"), "api": sql.Identifier(self.prefix)}
        return sql.SQL(script).format(**names, **own, **schemas)  # pyright: ignore[reportArgumentType]

    def install(self) -> None:
        """What `install` and `apply` leave behind, as far as doors look at it: roles, membership, forced tables, policies."""
        self.admin(
            "create role {viewer}; create role {lookup}; create role {eraser}; create role {secret}; create role {masker};"
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
        with Database.open(self.database.dsn()) as connection:
            return read_catalog(connection)


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
