"""What the benchmarks share: a server, and the table they print."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo
from rich.console import Console
from rich.table import Table

from pgerase.server import THROWAWAY, EmbeddedServer


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table: milliseconds of both ways."""

    what: str
    pgerase: float
    other: float
    budget: str
    met: bool | None = None


@contextlib.contextmanager
def server(
    binaries: Path | None = None, settings: Mapping[str, str] | None = None
) -> Generator[tuple[str, Callable[[str, str], str]]]:
    """A superuser's connection string, and how to make one for a database and a user.

    The server is one of our own, from `binaries` where they are given, or the one that PGERASE_BENCH_DSN names. Unless
    `settings` are given, it is THROWAWAY with 1 GB of shared buffers.
    """
    given = os.environ.get("PGERASE_BENCH_DSN")
    if given:
        yield given, lambda dbname, user: make_conninfo(given, dbname=dbname, user=user)
        return
    usual = {**THROWAWAY, "shared_buffers": "1GB", "max_locks_per_transaction": "2048"}
    with EmbeddedServer(binaries=binaries, settings=usual if settings is None else settings) as running:
        yield running.dsn(), running.dsn


def show(console: Console, lines: list[Line], title: str) -> None:
    """The table."""
    table = Table(title=title)
    for heading, justify in (
        ("what", "left"),
        ("pgerase, ms", "right"),
        ("other way, ms", "right"),
        ("ratio", "right"),
        ("budget", "right"),
    ):
        table.add_column(heading, justify=justify)  # pyright: ignore[reportArgumentType] - rich's literal
    for line in lines:
        table.add_row(
            line.what, f"{line.pgerase:.2f}", f"{line.other:.2f}", f"{line.pgerase / line.other:.2f}", line.budget
        )
    console.print(table)


def markdown(lines: list[Line], title: str) -> str:
    """The table for a document."""
    rows = [f"{title}:", "", "| | pgerase, ms | other way, ms | ratio | budget | met |", "|---|---:|---:|---:|---|---|"]
    for line in lines:
        met = {True: "yes", False: "no", None: ""}[line.met]
        ratio = f"{line.pgerase / line.other:.2f}" if math.isfinite(line.pgerase) else ""
        spent = f"{line.pgerase:.2f}" if math.isfinite(line.pgerase) else "given up"
        rows.append(f"| {line.what} | {spent} | {line.other:.2f} | {ratio} | {line.budget} | {met} |")
    return "\n".join(rows)
