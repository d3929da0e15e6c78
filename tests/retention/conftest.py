"""A log with classes of a test's own and a clock that the test sets; made once a module, emptied for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from pgerase.database import Database
from pgerase.install import Names, install
from pgerase.operate.retention import maintain
from pgerase.operate.retention_model import Run
from tests.fix_database import FreshDatabase


def utc(text: str) -> datetime:
    """A moment, written as 2026-01-31 or 2026-01-31 12:00."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


class Archive:
    """The log of one database. `{l}` in statements is its schema, `{i}` the ledger's."""

    def __init__(self, database: FreshDatabase) -> None:
        self.database = database
        self.prefix = database.prefix
        self.names = Names(database.prefix)
        with Database.open(database.dsn()) as connection:
            install(connection, self.prefix)
        self.opened: list[Database] = []
        self.begin()

    def begin(self) -> None:
        """Connect anew, with nothing in the log."""
        self.owner = self.open()
        self.admin = self.database.connect_admin()
        self.admin.execute("set timezone = 'UTC'")
        with self.admin.transaction():
            tables = self.admin.execute(
                "select c.relname from pg_class c where c.relnamespace = %s::regnamespace and c.relkind in ('r', 'p')"
                " and c.relname ~ '^(entry|value|leaf)_[0-9]+' and not (c.relispartition and c.relkind = 'r')",
                [self.names.logs],
            ).fetchall()
            for (name,) in tables:
                self.admin.execute(sql.SQL("drop table {} cascade").format(sql.Identifier(self.names.logs, name)))
            self.admin.execute(
                self.sql(
                    "truncate {l}.class, {l}.run, {l}.hold, {l}.held, {l}.held_value, {l}.record, {l}.segment, {l}.checkpoint,"
                    " {i}.support_grant restart identity cascade"
                )
            )

    def open(self) -> Database:
        """One more connection of the owner, who installed it and is no superuser; closed when the test ends."""
        opened = Database.open(self.database.dsn())
        self.opened.append(opened)
        return opened

    def end(self) -> None:
        while self.opened:
            self.opened.pop().close()
        self.database.close()

    def sql(self, statement: str) -> bytes:
        names = {"{l}": self.names.logs, "{i}": self.names.internal}
        for place, name in names.items():
            statement = statement.replace(place, f'"{name}"')
        return statement.encode()

    def rows(self, statement: str, *parameters: Any) -> list[tuple]:
        """As the owner."""
        cursor = self.owner.connection.execute(self.sql(statement), parameters or None)
        return cursor.fetchall() if cursor.description else []

    def as_admin(self, statement: str, *parameters: Any) -> list[tuple]:
        cursor = self.admin.execute(self.sql(statement), parameters or None)
        return cursor.fetchall() if cursor.description else []

    def outlive_others(self) -> None:
        """Wait until every transaction has ended that was open at the last seal, be it of another test: the floor can move then."""
        ended = "select coalesce(max(newest) <= pg_snapshot_xmin(pg_current_snapshot()), true) from {l}.segment"
        for _ in range(6_000):
            if self.as_admin(ended) == [(True,)]:
                return
            self.as_admin("select pg_sleep(0.01)")
        raise AssertionError("transactions of other tests do not end")

    def wait_for(self, waiting: psycopg.Connection) -> None:
        """Until that session waits for another one."""
        for _ in range(3_000):
            if self.as_admin("select 1 where cardinality(pg_blocking_pids(%s)) > 0", waiting.info.backend_pid):
                return
            self.as_admin("select pg_sleep(0.01)")
        raise AssertionError("nobody waits")

    def define(self, name: str, keep: str, period: str, now: str | datetime, ahead: int = 2) -> None:
        """As a plan step does, by the owner."""
        self.rows("select {l}.define_class(%s, %s, %s, %s, %s)", name, keep, period, ahead, moment(now))

    def write(
        self,
        at: str | datetime,
        name: str = "default",
        *,
        person: str | None = None,
        relation: str = "app.note",
        key: str = '{"id": 1}',
        grant: int | None = None,
        connection: psycopg.Connection | None = None,
    ) -> int:
        """Write an entry dated as given, with the keeper's rights, as a capturing trigger does; its number."""
        link = connection or self.admin
        with link.transaction():
            before = link.execute("select current_setting('role')").fetchone()[0]
            link.execute("select set_config('role', %s, true)", [self.names.keeper])
            number = link.execute(
                self.sql(
                    "insert into {l}.entry (class, at, relation, action, login, key, grant_id, parts)"
                    " values (%s, %s, %s, 'update', 'web', %s, %s, %s) returning entry_id"
                ),
                [name, moment(at), relation, key, grant, 0 if person is None else 1],
            ).fetchone()[0]
            if person is not None:
                link.execute(
                    self.sql(
                        "insert into {l}.value (class, at, entry_id, part, subject, person, new)"
                        " values (%s, %s, %s, 1, 'person', %s, '{\"email\": \"x\"}')"
                    ),
                    [name, moment(at), number, person],
                )
            link.execute("select set_config('role', %s, true)", [before])
        return number

    def run(self, now: str | datetime, database: Database | None = None, **options: Any) -> Run:
        """A run by a clock that shows `now`, by the owner."""
        return maintain(database or self.owner, self.prefix, now=moment(now), **options)

    def entries(self) -> set[int]:
        """The numbers of the entries in the log."""
        return {row[0] for row in self.rows("select entry_id from {l}.entry")}

    def held(self) -> set[int]:
        return {row[0] for row in self.rows("select entry_id from {l}.held")}

    def bounds(self, name: str = "default") -> list[tuple[str, str]]:
        """The partitions of a class, oldest first, as days; the three tables have the same."""
        families = [
            self.rows(
                "select (lower_bound at time zone 'UTC')::date::text, (upper_bound at time zone 'UTC')::date::text"
                " from {l}.partitions() where class = %s and family = %s order by lower_bound",
                name,
                family,
            )
            for family in ("entry", "value", "leaf")
        ]
        assert families[0] == families[1] == families[2]
        return families[0]

    def tables(self) -> set[str]:
        """Every table of entries there is, attached or not."""
        return {
            row[0]
            for row in self.rows(
                "select relname from pg_class where relnamespace = %s::regnamespace and relkind = 'r'"
                " and relname ~ '^(entry|value|leaf)_'",
                self.names.logs,
            )
        }


def interrupted(archive: Archive, parent: str, part: str) -> None:
    """DETACH CONCURRENTLY of a part, which gave up waiting for a reader."""
    reader, dba = archive.database.connect_admin(), archive.database.connect_admin()
    reader.execute("begin")
    reader.execute(archive.sql(f"select from {{l}}.{part}"))
    dba.execute("set lock_timeout = '100ms'")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        dba.execute(archive.sql(f"alter table {{l}}.{parent} detach partition {{l}}.{part} concurrently"))
    reader.close()
    dba.close()


def moment(at: str | datetime) -> datetime:
    return utc(at) if isinstance(at, str) else at


@pytest.fixture(scope="module")
def _archive(server: str, unique_prefix: Callable[[], str]) -> Iterator[Archive]:
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    yield Archive(database)
    database.drop()


@pytest.fixture
def archive(_archive: Archive) -> Iterator[Archive]:
    if not _archive.opened:
        _archive.begin()
    yield _archive
    _archive.end()
