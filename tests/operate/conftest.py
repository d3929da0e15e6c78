"""A shop with pgerase installed and erasing functions written by hand, used by its owner, who is no superuser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from pgerase.database import Database
from pgerase.install import Names, install
from pgerase.install.localize import localize
from pgerase.operate import Register
from tests.fix_database import FreshDatabase

HERE = Path(__file__).parent


class Shop:
    """One shop: connections to its register, and looks at its tables."""

    def __init__(self, database: FreshDatabase) -> None:
        self.database = database
        self.prefix = database.prefix
        self.names = Names(database.prefix)
        self._opened: list[Database] = []
        self.owner = database.connect()

    @classmethod
    def make(cls, database: FreshDatabase) -> Shop:
        """A shop in an empty database."""
        with Database.open(database.dsn()) as connection:
            install(connection, database.prefix)
        made = cls(database)
        made.owner.execute((HERE / "shop.sql").read_text())
        eraser = sql.Identifier(made.names.eraser)
        made.owner.execute(sql.SQL("grant usage on schema shop to {}").format(eraser))
        made.owner.execute(sql.SQL("grant select, update, delete on all tables in schema shop to {}").format(eraser))
        with database.connect_admin() as admin, admin.transaction():
            admin.execute(sql.SQL("set local role {}").format(eraser))
            admin.execute(localize((HERE / "eraser.sql").read_text(), made.names))
        return made

    def register(self, user: str | None = None) -> Register:
        """A register on a connection of its own, closed when the test ends."""
        opened = Database.open(self.database.dsn(user))
        self._opened.append(opened)
        return Register(opened, self.prefix)

    def rows(self, statement: str, parameters: object = None) -> list[tuple]:
        """Rows as the owner sees them; `{i}` in the statement is the ledger's schema."""
        return self.owner.execute(statement.replace("{i}", self.names.internal).encode(), parameters).fetchall()

    def as_admin(self, statement: str, parameters: object = None) -> list[tuple]:
        """Run something as superuser."""
        with self.database.connect_admin() as admin:
            cursor = admin.execute(statement.replace("{i}", self.names.internal).encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def application(self) -> dict[str, list[tuple]]:
        """Every row of the application."""
        tables = ("person", "note", "ticket", "invoice", "member")
        return {table: self.rows(f"select * from shop.{table} order by 1, 2") for table in tables}

    def close(self) -> None:
        """Close what the test opened."""
        for opened in self._opened:
            opened.close()


@pytest.fixture(scope="session")
def first_shop(server: str, unique_prefix: Callable[[], str]) -> Iterator[FreshDatabase]:
    """The shop that all others are copies of."""
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    Shop.make(database)
    yield database
    database.drop()


@pytest.fixture
def shop(first_shop: FreshDatabase, copy_of: Callable[[FreshDatabase], FreshDatabase]) -> Iterator[Shop]:
    made = Shop(copy_of(first_shop))
    yield made
    made.close()


@pytest.fixture
def own_shop(database: FreshDatabase) -> Iterator[Shop]:
    """One with roles of its own, for tests that change them."""
    made = Shop.make(database)
    yield made
    made.close()


@pytest.fixture
def register(shop: Shop) -> Register:
    return shop.register()


def expected(people: range | list[int]) -> dict[tuple[str, str], tuple[int, int]]:
    """By hand, from what shop.sql says: (relation, strategy) to people and rows, for people erased for the first time."""
    people = list(people)
    notes, tickets = [n % 4 for n in people if n % 4], [n % 3 for n in people if n % 3]
    counts = {
        ("shop.invoice", "keep"): (len(people), len(people)),
        ("shop.note", "delete"): (len(notes), sum(notes)),
        ("shop.person", "change"): (len(people), len(people)),
        ("shop.ticket", "unlink"): (len(tickets), sum(tickets)),
    }
    return {key: count for key, count in counts.items() if count[1]}


def found(counts: tuple) -> dict[tuple[str, str], tuple[int, int]]:
    """Counts as `expected` spells them."""
    return {(count.relation, count.strategy): (count.people, count.rows) for count in counts}


def keys(people: range | list[int]) -> list[str]:
    """The keys of these people."""
    return [str(n) for n in people]


@contextmanager
def before_statement(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], None]) -> Iterator[list[int]]:
    """Do something before the statement of this number that erasing sends, commits included; how many were sent is kept."""
    sent = [0]

    def count() -> None:
        sent[0] += 1
        if sent[0] == number:
            act()

    rows, commit = Database.rows, psycopg.Transaction._commit_gen

    def counted_rows(self, *arguments):
        count()
        return rows(self, *arguments)

    def counted_commit(self):
        count()
        return (yield from commit(self))

    with monkeypatch.context() as patch:
        patch.setattr(Database, "rows", counted_rows)
        patch.setattr(psycopg.Transaction, "_commit_gen", counted_commit)
        yield sent
