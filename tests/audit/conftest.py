"""A sealed log, and copies of it that a test may spoil for good."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tests.audit.fix_commands import anchors, audit, folder, judge, key, verifier  # noqa: F401 - fixtures of several modules
from tests.audit.fix_seal import Log, LogCopy, filled
from tests.fix_database import FreshDatabase


@pytest.fixture(scope="module")
def sealed(server: str, unique_prefix: Callable[[], str]) -> Iterator[Log]:
    """Three days of two classes, sealed each day."""
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    made = Log(database)
    filled(made)
    yield made
    made.close()
    database.drop()


@pytest.fixture
def log(sealed: Log) -> Iterator[Log]:
    """The same for every test: what a test does is taken back."""
    with sealed.database.transaction(undo=True):
        yield sealed


@pytest.fixture(scope="module")
def template(server: str, unique_prefix: Callable[[], str]) -> Iterator[Log]:
    """Another one, without connections: what copies are made of."""
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    made = Log(database)
    filled(made)
    made.close()
    yield made
    database.drop()


@pytest.fixture
def copies(template: Log, server: str, unique_prefix: Callable[[], str]) -> Iterator[Callable[..., LogCopy]]:
    """`copies()`: a log of its own, with the roles of the template; `copies(empty=True)`: an empty database for them."""
    made: list[LogCopy] = []

    def copy(*, empty: bool = False) -> LogCopy:
        name = f"{template.fresh.prefix}c{unique_prefix()[-4:]}"
        source = "template0" if empty else template.fresh.name
        with psycopg.connect(server, autocommit=True) as connection:
            statement = sql.SQL("create database {} template {} encoding 'UTF8'")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(source)))
        one = LogCopy(template, make_conninfo(server, dbname=name), make_conninfo(template.fresh.dsn(), dbname=name))
        made.append(one)
        return one

    yield copy
    for one in made:
        one.close()


@pytest.fixture
def copy(copies: Callable[..., LogCopy]) -> LogCopy:
    return copies()
