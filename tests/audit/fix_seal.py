"""A log with entries and people, written by hand: what capture does is not what is tested here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg

from pgerase.database import Database
from pgerase.install import Names, install
from pgerase.operate.seal.verifying import CHECKS
from tests.fix_database import FreshDatabase

CLASSES = ("default", "shop.person")
DAYS = ("2026-09-10", "2026-09-11", "2026-10-05")


class Log:
    """A log on a connection of a superuser, which is what an attacker on the server has; routines run as the installing role."""

    def __init__(self, database: FreshDatabase) -> None:
        self.fresh = database
        self.names = Names(database.prefix)
        self.schema = self.names.logs
        with Database.open(database.dsn()) as owner:
            install(owner, database.prefix)
        self.database = Database.open(database.admin_dsn)
        self.owner = database.owner
        for name in CLASSES:
            with self.as_owner():
                self.rows("select {log}.define_class(%s, '6 months', 'month', 3, '2026-09-05Z')", [name])
        # That classes were made is a record: numbers of segments are easier to read without.
        self.run("delete from {log}.record")

    def close(self) -> None:
        self.database.close()

    def rows(self, statement: str, parameters: object = None) -> list[tuple]:
        """Rows; `{log}` is the log's schema, `{internal}` the ledger's."""
        return [tuple(row.values()) for row in self.database.rows(self.written(statement), parameters)]  # type: ignore[arg-type]

    def run(self, statement: str) -> None:
        """Statements of somebody with all rights, who has switched off the triggers that refuse them."""
        self.database.run("set session_replication_role = replica")
        self.database.run(self.written(statement))
        self.database.run("set session_replication_role = origin")

    def written(self, statement: str) -> str:
        return statement.replace("{log}", self.schema).replace("{internal}", self.names.internal)

    def write(
        self, at: str, *, people: Sequence[str | None] = (), name: str = "default", number: int | None = None
    ) -> int:
        """An entry, with a value for each of these people; its number."""
        overriding = "" if number is None else " overriding system value"
        column, given = ("", []) if number is None else ("entry_id, ", [number])
        ((entry,),) = self.rows(
            f"insert into {{log}}.entry ({column}class, at, relation, action, actor, login, role, request, key, old, new, parts)"
            f"{overriding} values ({'%s, ' * len(given)}%s, %s, 'shop.person', 'update', '7', 'application', null, 'job/1',"
            ' \'{"id": 1}\', \'{"city": "Köln", "n": 1.50}\', \'{"city": "Łódź \\\\ \\"x\\"", "n": null}\', %s)'
            " returning entry_id",
            [*given, name, at, len(people)],
        )
        for part, person in enumerate(people, 1):
            self.rows(
                "insert into {log}.value (class, at, entry_id, part, subject, person, old, new)"
                " values (%s, %s, %s, %s, 'person', %s, null, jsonb_build_object('email', %s::text))",
                [name, at, entry, part, person, f"{person}-{entry}@example.org"],
            )
        return int(entry)

    def seal(self, now: str, limit: int = 100_000) -> list[tuple]:
        """Seal as the installing role, at this time."""
        with self.as_owner():
            return self.rows("select * from {log}.seal(p_now => %s, p_limit => %s)", [now, limit])

    def outlive_others(self) -> None:
        """Wait until every transaction has ended that was open at the last seal, be it of another test: the floor can move then."""
        ended = "select coalesce(max(newest) <= pg_snapshot_xmin(pg_current_snapshot()), true) from {log}.segment"
        for _ in range(6_000):
            if self.rows(ended) == [(True,)]:
                return
            self.rows("select pg_sleep(0.01)")
        raise AssertionError("transactions of other tests do not end")

    @contextmanager
    def as_owner(self) -> Iterator[None]:
        self.rows("select set_config('role', %s, false)", [self.owner])
        yield
        self.rows("select set_config('role', 'none', false)")

    def findings(self) -> set[str]:
        """The codes of what verifying in the database finds."""
        with self.as_owner():
            return {code for routine in CHECKS for (code,) in self.rows(f"select code from {{log}}.verify_{routine}()")}


def filled(log: Log) -> None:
    """Three days, two classes, people in some entries, a number that was rolled back; sealed each day, so that the floor has moved."""
    for day in DAYS:
        log.rows("select nextval('{log}.entry_entry_id_seq')")
        for hour in range(5):
            log.write(f"{day} {hour:02}:00Z", people=["1", "2", None][: hour % 4])
            log.write(f"{day} {hour:02}:30Z", people=["2"], name="shop.person")
        log.outlive_others()
        log.seal(f"{day} 12:00Z")


class LogCopy(Log):
    """A copy of a log in a database of its own: `dsn` is the installing role's, `admin_dsn` a superuser's."""

    def __init__(self, original: Log, admin_dsn: str, dsn: str) -> None:
        self.fresh = original.fresh
        self.names = original.names
        self.schema = original.schema
        self.owner = original.owner
        self.admin_dsn = admin_dsn
        self.dsn = dsn
        self._opened: list[Database] = []

    @property
    def database(self) -> Database:  # type: ignore[override]
        """A connection, opened when first asked for: who dumps or restores may want to be alone."""
        if not self._opened:
            self._opened.append(Database.open(self.admin_dsn))
        return self._opened[0]

    def connect(self) -> psycopg.Connection:
        """Another one, autocommitting; closed when the test ends."""
        another = Database.open(self.admin_dsn)
        self.database  # noqa: B018 - the first one stays the first
        self._opened.append(another)
        return another.connection

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()
