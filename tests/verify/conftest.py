"""A small shop whose pack is applied once for a module; faults are made on it and taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pgerase.apply.ledger import read_state
from pgerase.check.door import Door
from pgerase.check.door_codes import Code
from pgerase.check.doors import doors
from pgerase.compile import compile_pack
from pgerase.database import Database
from pgerase.errors import Position
from pgerase.rules.pack import AcceptedDoor
from pgerase.rules.read import read_pack
from pgerase.verify import Sample, VerifyReport, verify
from tests.fix_database import FreshDatabase
from tests.real.deployment import Deployment, copy_pack

SHOP = Path(__file__).resolve().parent / "shop"
AT = Position("pack.yaml", 1, 1)
# Doors that are roles, whichever database they belong to.
_CODES_OF_THE_CLUSTER = frozenset(
    {Code.SUPERUSER, Code.BYPASSRLS, Code.SET_ROLE, Code.CREATEROLE, Code.REPLICATION, Code.PREDEFINED_ROLE}
)
SAMPLE = Sample(viewers=12, writers=6, probes=4)


class Site(Deployment):
    """A deployment that is verified as its owner, with the doors accepted that were there when it was made."""

    accepted: tuple[AcceptedDoor, ...] = ()

    def verify(self, *tables: str, sample: Sample = SAMPLE, **options: bool) -> VerifyReport:
        """verify, as the owner; what other tests' roles open or shut meanwhile is accepted."""
        others = self._doors_of_others() if options.get("statics", True) else ()
        with Database.open(self.database.dsn()) as database:
            report = verify(
                database,
                read_pack(self.folder),
                sample=sample,
                accepted=(*self.accepted, *others),
                tables=tables,
                **options,
            )
        # A role that another test made in between.
        late = any(
            one.code in _CODES_OF_THE_CLUSTER and not one.subject.rpartition("/")[2].startswith(self.prefix)
            for one in report.failures
        )
        return self.verify(*tables, sample=sample, **options) if late else report

    def _doors_of_others(self) -> tuple[AcceptedDoor, ...]:
        """Doors that are roles of other tests on the same server."""
        return tuple(
            AcceptedDoor(door.kind, door.name, "another test's", AT)
            for door in self._doors()
            if not door.name.rpartition("/")[2].startswith(self.prefix) and door.code in _CODES_OF_THE_CLUSTER
        )

    def _doors(self) -> tuple[Door, ...]:
        with Database.open(self.database.dsn()) as database:
            catalog, _ = read_state(database, self.prefix)
        desired = compile_pack(read_pack(self.folder), catalog)
        return doors(catalog, desired.governed, self.prefix, exempt=desired.exempt)

    def admin(self, script: str) -> None:
        """Run a script as superuser; `{P}` is the prefix, `{owner}`, `{web}` and others are roles."""
        with psycopg.connect(self.database.admin_dsn, autocommit=True) as connection:
            connection.execute(self.fill(script).encode())

    def fill(self, script: str) -> str:
        """The script with the names of this deployment."""
        script = script.replace("{P}", self.prefix).replace("{owner}", self.database.owner)
        for short, name in self.roles.items():
            script = script.replace("{" + short + "}", name)
        return script

    def accept_what_is_there(self) -> None:
        """Accept the doors of now: owner, role makers and superusers, those of other tests on this server too; and its version."""
        found = [AcceptedDoor(door.kind, door.name, "test", AT) for door in self._doors()]
        with Database.open(self.database.dsn()) as database:
            major, minor = divmod(database.server_version, 10000)
        self.accepted = (*found, AcceptedDoor("server", f"{major}.{minor}", "test", AT))


def deploy(database: FreshDatabase, pack: Path, folder: Path, app: str, roles: tuple[str, ...]) -> Site:
    """Apply a pack to a database as its owner, who may act as the application's roles without inheriting from them."""
    names = {short: database.role(short) for short in roles}
    named = {**names, "owner": database.owner}
    site = Site(database, copy_pack(pack, folder, prefix=database.prefix, roles=named, app=app), names)
    with database.connect() as connection:
        schemas = [row[0] for row in connection.execute(_SCHEMAS)]
        for name in names.values():
            for schema in schemas:
                for statement in _GRANTS:
                    connection.execute(sql.SQL(statement).format(sql.Identifier(schema), sql.Identifier(name)))
    allow_acting(site)
    site.apply()
    site.accept_what_is_there()
    return site


def allow_acting(site: Site) -> None:
    """Let the owner act as the application's roles; before 16 his CREATEROLE is enough, and a grant would make him inherit."""
    with psycopg.connect(site.database.admin_dsn, autocommit=True) as connection:
        if connection.info.server_version >= 160000:
            for name in site.roles.values():
                grant = "grant {} to {} with inherit false, set true"
                connection.execute(sql.SQL(grant).format(sql.Identifier(name), sql.Identifier(site.database.owner)))


_SCHEMAS = """
    select distinct n.nspname
    from pg_catalog.pg_class as c
        join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_toast'
    order by 1
"""
_GRANTS = (
    "grant usage on schema {} to {}",
    "grant select, insert, update, delete on all tables in schema {} to {}",
)


@pytest.fixture(scope="module")
def shop(server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        with database.connect() as connection:
            connection.execute((SHOP / "schema.sql").read_bytes())
        yield deploy(database, SHOP, tmp_path_factory.mktemp("shop"), "shop", ("web", "visitor"))
    finally:
        database.drop()
