"""Runs pg_dump, and finds one that is new enough. The connection reaches it by environment, so that no password is an argument."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pgerase.errors import Refused

_INSTALLED = (
    "/usr/lib/postgresql/*/bin/pg_dump",
    "/usr/pgsql-*/bin/pg_dump",
    "/opt/homebrew/opt/postgresql@*/bin/pg_dump",
)
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True, slots=True)
class Program:
    """A pg_dump and its major version."""

    path: Path
    major: int


def find_pg_dump(server_major: int, given: Path | None = None) -> Program:
    """The pg_dump given, else the first of PATH and the usual places that is at least as new as the server.

    Raises Refused where there is none.
    """
    if given is not None:
        program = _examined(given)
        if program is None:
            raise Refused(f"{given} is no pg_dump that runs")
        if program.major < server_major:
            raise Refused(
                f"{given} is of PostgreSQL {program.major}, the server of {server_major}: it refuses to dump it"
            )
        return program
    on_path = shutil.which("pg_dump")
    candidates = [Path(on_path)] if on_path else []
    for pattern in _INSTALLED:
        candidates += sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    found = [program for program in map(_examined, candidates) if program is not None]
    for program in found:
        if program.major >= server_major:
            return program
    have = ", ".join(f"{program.path} ({program.major})" for program in found) or "none at all"
    raise Refused(
        f"no pg_dump of PostgreSQL {server_major} or later was found; found: {have}",
        hint="Install the client programs of the server's version, or name one with --pg-dump.",
    )


def _examined(path: Path) -> Program | None:
    try:
        said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    match = _VERSION.search(said)
    return Program(path, int(match.group(1))) if match else None


@contextmanager
def dumping(program: Program, environment: Mapping[str, str], arguments: Sequence[str]) -> Generator[IO[bytes]]:
    """The output of pg_dump as it comes. Raises Refused, with what pg_dump said, where it fails."""
    with subprocess.Popen(  # noqa: S603 - the program was chosen by the caller
        [program.path, "--no-password", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
    ) as process:
        if process.stdout is None or process.stderr is None:
            raise Refused("pg_dump gave no output to read")
        yield process.stdout
        said = process.stderr.read().decode(errors="replace").strip()
        if process.wait() != 0:
            raise Refused(f"pg_dump failed: {said or f'exit code {process.returncode}'}")
