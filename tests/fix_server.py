"""The server of a test run: PGERASE_TEST_DSN (a superuser's), else an embedded one, shared by all xdist workers.

A server that is asked for and not there ends the run once, instead of failing every test. Without any server the tests that
need one are skipped, except where CI is set: there it is a failure.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from pgerase.server import THROWAWAY, EmbeddedServer, ServerFailed, embedded_binaries, program_version

if TYPE_CHECKING:
    from tests.fix_database import FreshDatabase

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

# Where a server comes from that outlives the run.
GIVEN = "PGERASE_TEST_DSN"

# More than the defaults: a test makes a thousand tables, another one starts twenty installs at once.
_SETTINGS = {**THROWAWAY, "max_locks_per_transaction": "512", "shared_buffers": "256MB"}


class TestServer:
    """What is known of the server of this run; `dsn` is empty where there is none."""

    __test__ = False

    def __init__(self, dsn: str, run: str, origin: str, programs: str) -> None:
        self.dsn = dsn
        self.run = run
        self.origin = origin
        self.programs = programs

    def describe(self) -> str:
        """Its version and where it comes from, for the head of the report."""
        if not self.dsn:
            return f"none ({self.origin})"
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            (version,) = connection.execute("select current_setting('server_version')").fetchone() or ("?",)
        return f"{version} ({self.origin})"


_KEY = pytest.StashKey[TestServer]()
_EMBEDDED = pytest.StashKey[EmbeddedServer]()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    handed_down = getattr(config, "workerinput", None)
    if handed_down is not None:
        config.stash[_KEY] = TestServer(**handed_down["pgerase_server"])
        return
    if config.option.collectonly:
        return
    # `pgt` and a random word begin the names of all databases and roles of this run, so that leftovers can be found.
    run = f"pgt{secrets.token_hex(3)}"
    dsn = os.environ.get("PGERASE_TEST_DSN", "")
    server = TestServer(dsn, run, GIVEN, "") if dsn else _start_embedded(config, run)
    config.stash[_KEY] = server
    if server.dsn:
        try:
            _require_superuser(server.dsn)
        except psycopg.Error as error:
            _stop(config)
            pytest.exit(f"the test server ({server.origin}) is not usable: {error}", returncode=3)


def _start_embedded(config: pytest.Config, run: str) -> TestServer:
    binaries = os.environ.get("PGERASE_TEST_BIN", "")
    try:
        embedded = EmbeddedServer(binaries=Path(binaries) if binaries else None, settings=_SETTINGS, in_memory=True)
        embedded.start()
    except ServerFailed as error:
        # A folder of binaries that was asked for has to work; the default may be absent, but not in CI.
        if IN_CI or binaries:
            pytest.exit(f"no server to test with: {error.message} ({error.hint})", returncode=3)
        return TestServer("", run, error.message, "")
    config.stash[_EMBEDDED] = embedded
    return TestServer(embedded.dsn(), run, "embedded", str(embedded.bin))


def _require_superuser(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute("select rolsuper from pg_catalog.pg_roles where rolname = current_user").fetchone()
    if row != (True,):
        pytest.exit("PGERASE_TEST_DSN must connect as a superuser: the suite makes databases and roles", returncode=3)


def pytest_configure_node(node: object) -> None:
    """xdist: the controller hands its server down to a worker."""
    server = node.config.stash[_KEY]  # type: ignore[attr-defined]
    node.workerinput["pgerase_server"] = vars(server)  # type: ignore[attr-defined]


def pytest_report_header(config: pytest.Config) -> list[str]:
    server = config.stash.get(_KEY, None)
    return [] if server is None else [f"PostgreSQL: {server.describe()}"]


def pytest_exception_interact(node: pytest.Item | pytest.Collector, call: pytest.CallInfo) -> None:
    """A server that died under the run ends it: one message, not a thousand failures that all say the same."""
    server = node.config.stash.get(_KEY, None)
    if server is not None and server.dsn and not _answers(server.dsn):
        node.session.shouldstop = f"the test server ({server.origin}) is gone"


def _answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, connect_timeout=10).close()
    except psycopg.OperationalError:
        return False
    return True


def pytest_unconfigure(config: pytest.Config) -> None:
    server = config.stash.get(_KEY, None)
    is_worker = hasattr(config, "workerinput")
    # What an interrupted or crashed worker left on a server that outlives the run.
    if server is not None and server.origin == GIVEN and not is_worker and _answers(server.dsn):
        with psycopg.connect(server.dsn, autocommit=True) as connection:
            drop_named(connection, server.run)
    _stop(config)


def drop_named(connection: psycopg.Connection, prefix: str) -> None:
    """Drop every database and every role whose name begins with `prefix`."""
    databases = connection.execute(
        "select datname from pg_catalog.pg_database where starts_with(datname, %s) order by datname", [prefix]
    ).fetchall()
    for (database,) in databases:
        connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(database)))
    roles = connection.execute(
        "select rolname from pg_catalog.pg_roles where starts_with(rolname, %s) order by rolname", [prefix]
    ).fetchall()
    if roles:
        names = sql.SQL(", ").join(sql.Identifier(role) for (role,) in roles)
        connection.execute(sql.SQL("drop owned by {} cascade").format(names))
        # All in one statement: since PostgreSQL 16 a role that granted a membership goes only together with it.
        connection.execute(sql.SQL("drop role {}").format(names))


def _stop(config: pytest.Config) -> None:
    embedded = config.stash.get(_EMBEDDED, None)
    if embedded is not None:
        embedded.stop()


@pytest.fixture(scope="session")
def test_server(request: pytest.FixtureRequest) -> TestServer:
    """The server with all that is known of it; skips, or in CI ends the run, where there is none."""
    server = request.config.stash[_KEY]
    if not server.dsn:
        pytest.skip(f"no PostgreSQL: {server.origin}")
    return server


@pytest.fixture(scope="session")
def server(test_server: TestServer) -> str:
    """A superuser's DSN."""
    return test_server.dsn


@pytest.fixture(scope="session")
def server_version(server: str) -> int:
    """E.g. 180006."""
    with psycopg.connect(server, autocommit=True) as connection:
        return connection.info.server_version


@pytest.fixture(scope="session")
def pg_programs(test_server: TestServer, server_version: int) -> Path:
    """A folder with pg_dump and psql at least as new as the server.

    The server's own, else PGERASE_TEST_BIN, else the embedded package's, else those on PATH.
    """
    candidates = [test_server.programs, os.environ.get("PGERASE_TEST_BIN", "")]
    try:
        candidates.append(str(embedded_binaries()))
    except ServerFailed:
        candidates.append("")
    candidates.append(str(Path(shutil.which("pg_dump") or "").parent))
    for candidate in filter(None, candidates):
        program = Path(candidate) / "pg_dump"
        if program.is_file() and (Path(candidate) / "psql").is_file() and _major(program) >= server_version // 10000:
            return Path(candidate)
    message = f"no pg_dump for a server of version {server_version // 10000} or later in {', '.join(filter(None, candidates))}"
    if IN_CI:
        pytest.exit(message, returncode=3)
    pytest.skip(message)


def _major(program: Path) -> int:
    return int(program_version(program).split(".")[0])


@pytest.fixture(scope="session")
def pg_dump(pg_programs: Path) -> Callable[..., str]:
    """`pg_dump(database, *arguments)`: a plain dump, without what differs from one dump to the next.

    As the database's owner, or with `user=…`. Raises CalledProcessError, with what pg_dump said in a note.
    """
    program = pg_programs / "pg_dump"
    usage = subprocess.run([program, "--help"], capture_output=True, text=True, check=True).stdout
    # Newer versions guard plain dumps with a random word, which would make any two of them differ.
    fixed = ["--restrict-key=pgerase"] if "--restrict-key" in usage else []

    def dump(database: FreshDatabase, *arguments: str, user: str | None = None) -> str:
        command = [program, "--dbname", database.dsn(user), *fixed, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            failure = subprocess.CalledProcessError(done.returncode, ["pg_dump", *arguments], done.stdout, done.stderr)
            failure.add_note(done.stderr)
            raise failure
        return done.stdout

    return dump


@pytest.fixture(scope="session")
def admin(server: str) -> Iterator[psycopg.Connection]:
    """The superuser, connected to the maintenance database, autocommitting."""
    with psycopg.connect(server, autocommit=True) as connection:
        yield connection
