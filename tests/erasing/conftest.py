"""A small club with its rules and its data map applied by its owner, who is no superuser, and used by a login for its people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import psycopg
import pytest

from pgerase.database import Database
from pgerase.operate import Erasure as Erased
from pgerase.operate import Register, erase, open_request
from tests.erasing.small import Erasing
from tests.fix_database import FreshDatabase
from tests.real.deployment import Deployment, copy_pack

CLUB = Path(__file__).resolve().parent / "club"
ADMIN = "1"
"""The viewer for whom the application's login writes: no rule stands in her way, only guards do."""
T = TypeVar("T")


class Club:
    """One club. Its owner may change its tables before `apply`, as a developer would."""

    def __init__(self, deployment: Deployment, pool: ThreadPoolExecutor) -> None:
        self.deployment = deployment
        self.database = deployment.database
        self.prefix = deployment.prefix
        self.web = deployment.roles["web"]
        self.pool = pool
        self.owner = self.database.connect()
        self.admin = self.database.connect_admin()
        self._opened: list[Database] = []

    @classmethod
    def make(cls, database: FreshDatabase, folder: Path, pool: ThreadPoolExecutor) -> Club:
        """A club in an empty database."""
        web = database.role("web")
        pack = copy_pack(CLUB, folder, prefix=database.prefix, roles={"web": web}, app="club")
        made = cls(Deployment(database, pack, {"web": web}), pool)
        made.owner.execute((CLUB / "schema.sql").read_bytes())
        made.owner.execute(
            f'grant usage on schema app to "{web}"; '
            f'grant select, insert, update, delete on all tables in schema app to "{web}"'
        )
        return made

    def apply(self, *triggers: str) -> Club:
        """Install and apply the pack, as the owner, who has looked at these triggers."""
        pack = self.deployment.folder / "pack.yaml"
        listed = "".join(f"  - {{trigger: {trigger}, because: a developer's}}\n" for trigger in triggers)
        pack.write_text(pack.read_text() + (f"acknowledge:\n{listed}" if listed else ""))
        self.deployment.apply()
        return self

    def register(self) -> Register:
        """The ledger on a connection of its own, as the owner."""
        opened = Database.open(self.database.dsn())
        self._opened.append(opened)
        return Register(opened, self.prefix)

    def erase(self, *keys: int, subject: str = "person") -> Erased:
        """Erase people through a request."""
        register = self.register()
        number = open_request(register, subject, [str(key) for key in keys]).number
        return erase(register, number)

    def erase_cleanly(self, *keys: int, subject: str = "person") -> None:
        """Erase people, of whom nobody fails."""
        assert self.erase(*keys, subject=subject).failures == ()

    def begin(self, isolation: str = "read committed") -> psycopg.Connection:
        """A transaction as the application's login, for its admin; left open."""
        connection = self.database.connect(self.web)
        connection.execute(f"begin isolation level {isolation}")
        self.deployment.become(connection, ADMIN)
        return connection

    def write(self, *statements: str, connection: psycopg.Connection | None = None, end: str = "commit") -> str:
        """What the last of some statements of the application comes to: the rows it changed, or an SQLSTATE."""
        connection = connection or self.begin()
        try:
            changed = [connection.execute(statement.encode()).rowcount for statement in statements]
            connection.execute(end.encode())
            return str(changed[-1])
        except psycopg.Error as error:
            connection.execute("rollback")
            return error.sqlstate or ""

    def rows(self, statement: str) -> list[tuple]:
        """Rows, whatever the rules say."""
        return self.admin.execute(statement).fetchall()

    def everything(self) -> dict[str, list[tuple]]:
        """Every row of the application and of the ledger of erased people."""
        tables = self.rows(
            "select schemaname || '.' || tablename from pg_tables where schemaname = 'app' or tablename = 'erased_person' "
            "order by 1"
        )
        return {table: self.rows(f"select t::text from {table} as t order by 1") for (table,) in tables}

    def in_background(self, work: Callable[[], T]) -> Future[T]:
        """Start something that may have to wait."""
        return self.pool.submit(work)

    def until_blocked(self, *who: psycopg.Connection, work: Future) -> None:
        """Return once somebody waits for a lock, or one of these given; fails where the work ends instead."""
        pids = [one.info.backend_pid for one in who]
        for _ in range(500):
            # Looks again after a short wait, at once where the work has ended.
            wait([work], timeout=0.02)
            assert not work.done(), work.exception() or work.result()
            blocked = self.rows(
                "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
            )
            if {pid for (pid,) in blocked} & set(pids) or (blocked and not pids):
                return
        raise AssertionError("nobody waits")

    @contextmanager
    def erasing(self, *keys: int, subject: str = "person") -> Iterator[Register]:
        """Erase people in a transaction that is committed at the end of the block. Raises DatabaseFailed as the server does."""
        register = self.register()
        listed = [str(key) for key in keys]
        number = open_request(register, subject, listed).number
        with register.database.transaction(isolation="read committed"):
            register.call("erase_people", number, listed)
            yield register

    def close(self) -> None:
        """Close what the test opened."""
        for one in self._opened:
            one.close()


@contextmanager
def _made(make: Callable[[ThreadPoolExecutor], Club]) -> Iterator[Club]:
    with ThreadPoolExecutor(4) as pool:
        made = make(pool)
        try:
            yield made
        finally:
            made.close()
            made.database.close()


@pytest.fixture
def erasing(databases: Callable[..., FreshDatabase], tmp_path: Path) -> Callable[[str, str], Erasing]:
    """Makes a small database of a schema and a data map."""
    return lambda schema, data_map: Erasing(databases(), tmp_path, schema, data_map)


@pytest.fixture
def unapplied(databases: Callable[..., FreshDatabase], tmp_path: Path) -> Iterator[Club]:
    """A club before the pack is applied."""
    with _made(lambda pool: Club.make(databases(), tmp_path / "club", pool)) as made:
        yield made


@pytest.fixture(scope="session")
def first_club(
    server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deployment]:
    """The club that those of `club` are copies of."""
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        with _made(lambda pool: Club.make(database, tmp_path_factory.mktemp("first") / "club", pool)) as made:
            made.apply()
        yield made.deployment
    finally:
        database.drop()


@pytest.fixture
def club(first_club: Deployment, copy_of: Callable[[FreshDatabase], FreshDatabase], tmp_path: Path) -> Iterator[Club]:
    """A club with everything applied."""
    with _made(lambda pool: Club(first_club.on(copy_of(first_club.database), tmp_path / "club"), pool)) as made:
        yield made


@pytest.fixture(scope="module")
def erased_club(
    server: str, unique_prefix: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Club]:
    """A club from which people 4 and 6, customer 11 and visitor 21 were erased. Shared: what a test changes it rolls back."""
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        with _made(lambda pool: Club.make(database, tmp_path_factory.mktemp("erased") / "club", pool)) as made:
            made.apply()
            made.erase_cleanly(4, 6)
            made.erase_cleanly(11, subject="customer")
            made.erase_cleanly(21, subject="visitor")
            yield made
    finally:
        database.drop()
