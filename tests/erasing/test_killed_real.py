"""Killed at every statement boundary, with the functions the compiler wrote: resumed, the counts and the data are those of a run
that nobody interrupted.

Every ending has a copy of its own of one club, in which a request is open and was counted.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pgerase.database import Database
from pgerase.errors import DatabaseFailed
from pgerase.operate import Erasure, Register, dry_run, erase, open_request
from pgerase.server import THROWAWAY
from tests.erasing.conftest import Club
from tests.fix_database import FreshDatabase
from tests.operate.conftest import before_statement
from tests.operate.crash import CrashingServer

CHECKOUT = Path(__file__).resolve().parents[2]
# 101 reports to 4, who reports to 3, and everybody after to the one before: heirs go in turn.
SETUP = """
    insert into app.person (person_id, email, full_name, phone, manager_id)
    select n, n || '@club.example', 'Name ' || n, '+1 555 ' || n, case n when 101 then 4 else n - 1 end
    from generate_series(101, 105) as n;
    insert into app.task (task_id, owner_id, status)
    select n * 10 + i, n, case when i < n - 100 then 'Open' else 'Closed' end
    from generate_series(101, 105) as n, generate_series(1, 4) as i;
    insert into app.membership (club, person_id) select 'cards', n from generate_series(101, 105) as n;
    insert into app.message (message_id, sender) select n, n || '@club.example' from generate_series(101, 105) as n;
"""
ERASED = ["101", "103", "104", "4", "5", "6"]
BATCH = 2
CONTENTS = {
    "request_person": "select key, state from {i}.request_person order by key",
    "request_count": "select key, relation, strategy, planned, done from {i}.request_count order by 1, 2, 3",
    "erased_person": "select subject, key, request_id from {i}.erased_person where erased_at is not null order by 1, 2",
}


class Scene:
    """A club ready for erasing, copies of it, and what is in them."""

    def __init__(self, database: FreshDatabase, folder: Path) -> None:
        self.prefix = database.prefix
        self._internal = f"{database.prefix}_internal"
        self._database = database
        self._copies = 0
        with ThreadPoolExecutor(1) as pool:
            club = Club.make(database, folder, pool).apply()
            club.admin.execute(SETUP.encode())
            register = club.register()
            self.request = open_request(register, "person", ERASED).number
            assert dry_run(register, self.request).failures == ()
            club.close()
        # Nobody may be in a database that is copied.
        database.close()
        self._server = make_conninfo(database.admin_dsn, dbname="postgres")

    def copy(self) -> str:
        """The owner's connection string to a new copy."""
        self._copies += 1
        name = f"{self._database.name}c{self._copies}"
        statement = sql.SQL("create database {} template {}")
        with psycopg.connect(self._server, autocommit=True) as admin:
            admin.execute(statement.format(sql.Identifier(name), sql.Identifier(self._database.name)))
            admin.execute(
                sql.SQL("grant create on database {} to {}").format(
                    sql.Identifier(name), sql.Identifier(self._database.owner)
                )
            )
        return make_conninfo(self._database.dsn(), dbname=name)

    @contextmanager
    def register(self, dsn: str) -> Iterator[Register]:
        """The ledger on a connection of its own."""
        with Database.open(dsn) as database:
            yield Register(database, self.prefix)

    def erase(self, dsn: str) -> Erasure:
        """Erase for the request, or go on with it."""
        with self.register(dsn) as register:
            return erase(register, self.request, batch=BATCH)

    def contents(self, dsn: str) -> dict[str, list[tuple] | list[str]]:
        """The application's rows and the ledger, with the key for the token."""
        name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
        with psycopg.connect(make_conninfo(self._server, dbname=name), autocommit=True) as admin:
            tokens = admin.execute(f"select token, key from {self._internal}.erased_person".encode()).fetchall()
            tables = admin.execute("select tablename from pg_tables where schemaname = 'app' order by 1").fetchall()
            found: dict[str, list[tuple] | list[str]] = {}
            for (table,) in tables:
                rows = [text for (text,) in admin.execute(f"select t::text from app.{table} as t order by 1".encode())]
                for token, key in tokens:
                    rows = [text.replace(token, f"<{key}>") for text in rows]
                found[table] = sorted(rows)
            for what, query in CONTENTS.items():
                found[what] = admin.execute(query.format(i=self._internal).encode()).fetchall()
        return found

    def uninterrupted(self, monkeypatch: pytest.MonkeyPatch) -> tuple[int, Callable[[str], int]]:
        """How many statements a whole run sends; and what looks at an interrupted one, resumes it, and compares the two."""
        before, dsn = self.contents(self.copy()), self.copy()
        with before_statement(monkeypatch, 0, lambda: None) as sent:
            whole = self.erase(dsn)
        after = self.contents(dsn)
        assert (whole.request.done, whole.failures) == (len(ERASED), ())
        states = [row.rstrip(")").split(",")[5] for row in after["person"]]
        assert states.count("ERASED") == len(ERASED)
        assert {count.strategy for count in whole.counts} == {"change", "delete", "keep", "reassign"}

        def resume(dsn: str) -> int:
            found = self.contents(dsn)
            done = [key for key, state in found["request_person"] if state == "done"]
            assert done == sorted(ERASED)[: len(done)]
            assert [key for _, key, _ in found["erased_person"]] == done
            assert (found == before) == (not done)
            assert (found == after) == (len(done) == len(ERASED))
            resumed = self.erase(dsn)
            assert (resumed.counts, resumed.failures) == (whole.counts, ())
            assert self.contents(dsn) == after
            return len(done)

        # The first asks whether the ledger is there.
        return sent[0] - 1, resume


ALL_WERE_SEEN = set(range(0, len(ERASED) + 1, BATCH))


@pytest.fixture
def scene(databases: Callable[..., FreshDatabase], tmp_path: Path) -> Scene:
    return Scene(databases(), tmp_path / "club")


def test_client_killed_at_every_statement(scene: Scene, monkeypatch: pytest.MonkeyPatch):
    total, resume = scene.uninterrupted(monkeypatch)
    environment = os.environ | {"PYTHONPATH": f"{CHECKOUT}{os.pathsep}{CHECKOUT / 'src'}"}
    script = CHECKOUT / "tests" / "operate" / "interrupted_client.py"
    # The client asks once more than the run: whether the ledger is there.
    copies = {number: scene.copy() for number in range(1, total + 2)}

    def kill(number: int) -> int:
        command = [sys.executable, script, copies[number], scene.prefix, str(scene.request), str(number)]
        return subprocess.run(command, env=environment, check=False).returncode

    with ThreadPoolExecutor(2) as pool:
        assert set(pool.map(kill, copies)) == {-signal.SIGKILL}
    assert {resume(dsn) for dsn in copies.values()} == ALL_WERE_SEEN


def _interrupted(scene: Scene, monkeypatch: pytest.MonkeyPatch, act: Callable[[Register], None]) -> None:
    total, resume = scene.uninterrupted(monkeypatch)
    seen: set[int] = set()
    for number in range(1, total + 1):
        dsn = scene.copy()
        with (
            scene.register(dsn) as register,
            before_statement(monkeypatch, number, lambda register=register: act(register)),
            pytest.raises(DatabaseFailed, match="is lost"),
        ):
            erase(register, scene.request, batch=BATCH)
        seen.add(resume(dsn))
    assert seen == ALL_WERE_SEEN


def test_session_terminated_at_every_statement(
    scene: Scene, databases: Callable[..., FreshDatabase], monkeypatch: pytest.MonkeyPatch
):
    admin = databases().connect_admin()

    def terminate(register: Register) -> None:
        pid = register.database.connection.info.backend_pid
        assert admin.execute("select pg_terminate_backend(%s, 10000)", [pid]).fetchone() == (True,)

    _interrupted(scene, monkeypatch, terminate)


def test_server_killed_at_every_statement(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    binaries = os.environ.get("PGERASE_TEST_BIN", "")
    # What is committed has to be there afterwards.
    settings = {**THROWAWAY, "synchronous_commit": "on"}
    with CrashingServer(binaries=Path(binaries) if binaries else None, settings=settings) as server:
        database = FreshDatabase(server.dsn(), "crash", "template0")
        database.create()
        _interrupted(Scene(database, tmp_path / "club"), monkeypatch, lambda _: server.crash())
