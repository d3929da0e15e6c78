"""What the cells of the audit benchmark share: results, looking at the server's CPU, pgbench."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from audit_ways import BARE, WAYS, Bench

from pgerase.server import embedded_binaries

TITLES = {
    "bare": "bare",
    "plain": "pgerase",
    "apart": "pgerase, personal values apart",
    "row_trigger": "row trigger",
    "supa_audit": "supa_audit's way",
}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Budget:
    """What the design allows, and what was measured; None where it could not be."""

    what: str
    allowed: str
    measured: str
    met: bool | None


@dataclass(slots=True)
class Result:
    """What one cell found: lines of a table with a column a way, budgets, and what is no table. `bare` counts as 1 in each line."""

    lines: list[tuple[str, dict[str, float], str]] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def by_ways(result: Result) -> str:
    """A table with a column a way: what was measured, and how many times that of the bare table where there is one."""
    rows = [f"| | {' | '.join(TITLES.values())} |", f"|---|{'---:|' * len(WAYS)}"]
    for what, found, form in result.lines:
        cells = [cell(found.get(way), found.get(BARE), form) for way in WAYS]
        rows.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(rows)


def cell(value: float | None, bare: float | None, form: str) -> str:
    """One cell of the table."""
    if value is None:
        return ""
    return f"{value:{form}}" + (f" ({value / bare:.2f} ×)" if bare and value is not bare else "")


def budget_table(budgets: Sequence[Budget]) -> str:
    """The budgets as a table."""
    rows = ["| budget | at most | measured | met |", "|---|---|---:|---|"]
    rows += [
        f"| {one.what} | {one.allowed} | {one.measured} | {({True: 'yes', False: 'no', None: ''})[one.met]} |"
        for one in budgets
    ]
    return "\n".join(rows)


def turn(ways: Sequence[_T], number: int) -> list[_T]:
    """The ways in another order each time."""
    start = number % len(ways)
    ordered = [*ways[start:], *ways[:start]]
    return ordered if number % 2 else ordered[::-1]


def cpu(pid: int) -> float | None:
    """Microseconds that a server process ran; None where it is not on this machine, or the kernel does not tell."""
    try:
        if Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip() != "postgres":
            return None
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[0]) / 1000
    except OSError:
        return None


SCRIPT = """\\set member random(1, 10000)
insert into a.{way} (member_id, email, phone, title, body, state)
values (:member, 'user17@example.org', '+49 30 1000017', 'the title of 17', 'words words words words words', 'open');
"""


def pgbench(bench: Bench, script: str, clients: int, seconds: int) -> float:
    """Transactions a second of a script of pgbench, each statement prepared."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql", encoding="utf-8") as file:
        file.write(script)
        file.flush()
        run = subprocess.run(  # noqa: S603 - the server's own program
            [
                *(str(embedded_binaries() / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--client={clients}"),
                *(f"--time={seconds}", f"--file={file.name}", bench.app),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
    found = re.search(r"^tps = ([0-9.]+)", run.stdout, re.MULTILINE)
    if run.returncode or found is None:
        raise SystemExit(f"pgbench failed: {run.stderr}")
    return float(found[1])
