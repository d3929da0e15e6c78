"""`pgerase.as_viewer`: one transaction, one viewer, whatever the connection went through before."""

from __future__ import annotations

import asyncio
import uuid

import psycopg
import pytest
from psycopg import sql

import pgerase
from pgerase.database import Database
from pgerase.errors import UsageError
from pgerase.install import install
from tests.fix_database import FreshDatabase


class Boom(Exception):
    pass


@pytest.fixture(scope="module")
def first_web(server, unique_prefix):
    """What all are copies of."""
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    with Database.open(database.dsn()) as connection:
        install(connection, database.prefix)
    login = database.role("web")
    with database.connect() as owner:
        owner.execute(
            sql.SQL("grant {} to {}").format(sql.Identifier(f"{database.prefix}_viewer"), sql.Identifier(login))
        )
        owner.execute("create table public.seen (key text); grant select, insert on public.seen to public")
    yield database, login
    database.drop()


@pytest.fixture
def web(first_web, copy_of):
    original, login = first_web
    database = copy_of(original)
    database.login = login
    return database


@pytest.fixture
def connection(web):
    return web.connect(web.login)


def current(web, connection) -> str | None:
    return connection.execute(f"select {web.prefix}.current_viewer()".encode()).fetchone()[0]


@pytest.mark.parametrize("autocommit", [True, False])
@pytest.mark.parametrize("key", [42, "42", "it's @ {x} %s", uuid.UUID(int=1)])
def test_block_runs_as_the_viewer(web, connection, key, autocommit) -> None:
    connection.autocommit = autocommit
    with pgerase.as_viewer(connection, key, prefix=web.prefix):
        assert current(web, connection) == str(key)
        connection.execute("insert into public.seen values (%s)", [str(key)])
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    assert current(web, connection) is None
    assert connection.execute("select key from public.seen").fetchall() == [(str(key),)]


def test_exception_rolls_back_and_leaves_nobody(web, connection) -> None:
    def write_and_fail() -> None:
        with pgerase.as_viewer(connection, 42, prefix=web.prefix):
            connection.execute("insert into public.seen values ('x')")
            raise Boom

    with pytest.raises(Boom):
        write_and_fail()
    assert current(web, connection) is None
    assert connection.execute("select count(*) from public.seen").fetchone() == (0,)


def test_nested_use_gives_the_outer_identity_back(web, connection) -> None:
    with pgerase.as_viewer(connection, 1, prefix=web.prefix):
        with pgerase.as_viewer(connection, 2, prefix=web.prefix):
            with pgerase.as_viewer(connection, 3, prefix=web.prefix):
                assert current(web, connection) == "3"
            assert current(web, connection) == "2"
            with pytest.raises(Boom), pgerase.as_viewer(connection, 4, prefix=web.prefix):
                raise Boom
            assert current(web, connection) == "2"
            with pytest.raises(psycopg.DataError), pgerase.as_viewer(connection, 5, prefix=web.prefix):
                connection.execute("select 1 / 0")
            assert current(web, connection) == "2"
        assert current(web, connection) == "1"


def test_inside_a_transaction_of_the_application_nobody_is_left(web, connection) -> None:
    with connection.transaction():
        with pgerase.as_viewer(connection, 1, prefix=web.prefix):
            assert current(web, connection) == "1"
        assert current(web, connection) is None
        presented = connection.execute(f"select {web.prefix}.presented_viewer()".encode()).fetchone()
        assert presented == (None,)


def test_row_factory_of_the_connection_does_not_matter(web, connection) -> None:
    connection.row_factory = psycopg.rows.dict_row
    with pgerase.as_viewer(connection, 1, prefix=web.prefix), pgerase.as_viewer(connection, 2, prefix=web.prefix):
        row = connection.execute(f"select {web.prefix}.current_viewer() as v".encode()).fetchone()
        assert row == {"v": "2"}


def test_pipeline_inside_the_block(web, connection) -> None:
    with pgerase.as_viewer(connection, 1, prefix=web.prefix), connection.pipeline():
        assert current(web, connection) == "1"


def test_pipeline_around_the_block_is_refused(web, connection) -> None:
    with connection.pipeline(), pytest.raises(UsageError, match="pipeline"), pgerase.as_viewer(connection, 1):
        pass


def test_failed_transaction_is_refused(web, connection) -> None:
    connection.execute("begin")
    with pytest.raises(psycopg.DataError):
        connection.execute("select 1 / 0")
    with pytest.raises(UsageError, match="failed transaction"), pgerase.as_viewer(connection, 1, prefix=web.prefix):
        pass
    connection.execute("rollback")


def test_busy_connection_is_refused(web, connection) -> None:
    copying = connection.cursor()
    with (
        copying.copy("copy (select 1) to stdout"),
        pytest.raises(UsageError, match="busy"),
        pgerase.as_viewer(connection, 1, prefix=web.prefix),
    ):
        pass


def test_closed_connection_is_refused(web, connection) -> None:
    connection.close()
    with pytest.raises(UsageError, match="closed"), pgerase.as_viewer(connection, 1, prefix=web.prefix):
        pass


@pytest.mark.parametrize("key", ["", None, True, 1.5, b"1", ["1"]])
def test_what_cannot_be_a_key_is_refused_before_anything_is_sent(connection, key) -> None:
    with pytest.raises(UsageError):
        pgerase.as_viewer(connection, key)
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_key_is_a_bind_parameter(web, connection) -> None:
    with pgerase.as_viewer(connection, "secret-key", prefix=web.prefix):
        watcher = web.connect_admin()
        texts = watcher.execute("select query from pg_stat_activity where usename = %s", [web.login]).fetchall()
        assert any('become"($1)' in text for (text,) in texts)
        assert not any("secret-key" in text for (text,) in texts)


def test_missing_runtime_is_the_servers_own_error(web, connection) -> None:
    with pytest.raises(psycopg.errors.InvalidSchemaName), pgerase.as_viewer(connection, 1, prefix="nowhere"):
        pass
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_asynchronous_connections(web) -> None:
    async def current_of(connection) -> str | None:
        return (await (await connection.execute(f"select {web.prefix}.current_viewer()".encode())).fetchone())[0]

    async def story() -> None:
        async with await psycopg.AsyncConnection.connect(web.dsn(web.login), autocommit=True) as connection:
            async with pgerase.as_viewer(connection, 1, prefix=web.prefix):
                assert await current_of(connection) == "1"
                async with pgerase.as_viewer(connection, 2, prefix=web.prefix):
                    assert await current_of(connection) == "2"
                assert await current_of(connection) == "1"
                with pytest.raises(Boom):
                    async with pgerase.as_viewer(connection, 3, prefix=web.prefix):
                        raise Boom
                assert await current_of(connection) == "1"
            assert await current_of(connection) is None

    asyncio.run(story())
