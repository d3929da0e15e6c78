"""A pgbouncer of the tests' own, in transaction mode, with fewer connections to the server than clients.

Like the server it runs as an unprivileged account, with everything in a private folder, and goes when the test ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgerase.server import Account, unprivileged_account
from tests.fix_server import IN_CI

POOL = 7
"""Connections to the server for each login."""


def pgbouncer_program() -> str:
    """The program; without it the test is skipped, in CI it fails."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if program is None:
        message = "pgbouncer is not installed: what a transaction-mode pooler does cannot be seen"
        if IN_CI:
            pytest.fail(message)
        pytest.skip(message)
    return program


@contextmanager
def pooled(dsn: str) -> Iterator[str]:
    """A pgbouncer in front of the database of a connection string; the string to connect to it with."""
    program = pgbouncer_program()
    given = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
    account = unprivileged_account()
    folder = Path(tempfile.mkdtemp(prefix="pgb-", dir="/tmp"))
    process: subprocess.Popen[bytes] | None = None
    try:
        server = " ".join(f"{name}={given[name]}" for name in ("host", "port", "dbname") if name in given)
        _write(folder / "users.txt", f'"{given["user"]}" "{given["password"]}"\n', account)
        _write(
            folder / "pgbouncer.ini",
            f"[databases]\npooled = {server}\n\n[pgbouncer]\npool_mode = transaction\ndefault_pool_size = {POOL}\n"
            "max_client_conn = 200\nlisten_port = 6432\nauth_type = plain\nauth_file = users.txt\n"
            f"unix_socket_dir = {folder}\nserver_tls_sslmode = disable\n",
            account,
        )
        if not account.is_current:
            os.chown(folder, account.uid, account.gid)
        process = account.start(
            [program, "pgbouncer.ini"], folder=folder, stdin=subprocess.DEVNULL, output=subprocess.PIPE
        )
        said = _Log(process)
        said.wait_until_up()
        yield make_conninfo(
            host=str(folder), port=6432, dbname="pooled", user=given["user"], password=given["password"]
        )
    finally:
        if process is not None:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait()
        shutil.rmtree(folder)


def _write(path: Path, text: str, account: Account) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
    if not account.is_current:
        os.chown(path, account.uid, account.gid)


class _Log:
    """Reads all that pgbouncer says, or it would wait for somebody who does."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._lines: list[str] = []
        self._decided = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            for line in output:
                self._lines.append(line.decode(errors="replace"))
                if "process up" in self._lines[-1]:
                    self._decided.set()
        self._decided.set()

    def wait_until_up(self) -> None:
        """Until it says so; fails with what it said instead, where it ended."""
        if not self._decided.wait(30) or not any("process up" in line for line in self._lines):
            pytest.fail(f"pgbouncer did not start: {''.join(self._lines)}")
