"""A plant with a materialized view and two foreign tables; its pack applied once for a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from pgerase.catalog.model import Name
from pgerase.catalog.read import read_catalog
from pgerase.check.doors import doors
from pgerase.database import Database
from pgerase.errors import Finding
from pgerase.install import install
from tests.fix_database import FreshDatabase
from tests.real.deployment import copy_pack
from tests.verify.conftest import Site, allow_acting

PLANT = Path(__file__).resolve().parent / "plant"
LEAD, ROB, BEA, ANA, ADMIN, GONE = "1", "2", "3", "4", "5", "6"

GRANTS = """
    select c.relname, a.grantee::regrole::text, a.privilege_type, a.is_grantable, t.attname
    from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        left join pg_attribute t on t.attrelid = c.oid and t.attacl is not null
        cross join lateral aclexplode(coalesce(t.attacl, c.relacl)) a
    where n.nspname = 'plant' order by 1, 2, 3, 4, 5
"""


class Plant(Site):
    """The deployment, with what was there before it was applied."""

    unmapped: tuple[Finding, ...] = ()
    open_before: frozenset[tuple[str, str]] = frozenset()
    grants: tuple[tuple[object, ...], ...] = ()

    def granted(self) -> tuple[tuple[object, ...], ...]:
        """Every privilege in the application's schema but those of roles of pgerase's own."""
        with self.database.connect_admin() as admin:
            found = admin.execute(GRANTS).fetchall()
        return tuple(row for row in found if not str(row[1]).startswith(f"{self.prefix}_"))

    def rows(self, viewer: str | None, statement: str, role: str = "web") -> list[tuple[object, ...]]:
        """What a person is given; `{P}` is the prefix."""
        with self.session(viewer, self.roles[role]) as connection:
            return connection.execute(self.fill(statement).encode()).fetchall()

    def refused(self, statement: str, viewer: str | None = LEAD, role: str = "web") -> bool:
        """Whether a statement fails for want of a privilege."""
        with self.session(viewer, self.roles[role]) as connection:
            try:
                connection.execute(self.fill(statement).encode())
            except psycopg.errors.InsufficientPrivilege:
                return True
        return False


@pytest.fixture(scope="module")
def plant(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        yield _deploy(database, tmp_path_factory.mktemp("plant"))
    finally:
        database.drop()


def _deploy(database: FreshDatabase, folder: Path) -> Plant:
    names = {short: database.role(short) for short in ("web", "visitor", "refresher", "reporter", "remote")}
    named = {**names, "owner": database.owner}
    site = Plant(database, copy_pack(PLANT, folder, prefix=database.prefix, roles=named, app="plant"), names)
    with database.connect() as connection:
        connection.execute((PLANT / "schema.sql").read_bytes())
    allow_acting(site)
    where = conninfo_to_dict(database.dsn(names["remote"]))
    script = (PLANT / "foreign.sql").read_text(encoding="utf-8")
    for key in ("host", "port", "dbname"):
        script = script.replace("{" + key + "}", str(where[key]))
    site.admin(script)
    with database.connect() as connection:
        for short in ("web", "visitor", "refresher"):
            connection.execute(f'grant usage on schema plant to "{names[short]}"')
            connection.execute(f'grant select on all tables in schema plant to "{names[short]}"')
        connection.execute(f'grant update on plant.company to "{names["web"]}"')
    with Database.open(database.dsn()) as opened:
        install(opened, site.prefix)
    site.grants = site.granted()
    with Database.open(database.dsn()) as opened:
        found = doors(read_catalog(opened), [Name("plant", "company")], site.prefix, viewers=[names["web"]])
    site.open_before = frozenset((one.kind, one.name) for one in found)
    site.unmapped = tuple(one for one in site.plan().findings if one.code.startswith("user-mapping"))
    # Who reads for others is known there as a role that may read this one table. The server of tests may ask for no password.
    for role in (f"{site.prefix}_masker", f"{site.prefix}_lookup"):
        site.admin(
            f'create user mapping for "{role}" server depot'
            f" options (user '{where['user']}', password '{where['password']}', password_required 'false')"
        )
    site.apply()
    site.accept_what_is_there()
    return site
