"""The README as a script: its files are written, its commands run on a server of their own, and what they print is compared.

Run as a program, it writes the output of a new run into the README: `python -m tests.demo.readme`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from pgerase.server import THROWAWAY, EmbeddedServer, embedded_binaries

README = Path(__file__).resolve().parents[2] / "README.md"

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAMED = re.compile(r"\(`([\w./]+)`\):\n\n$")

# Differs from run to run, or with the version of pgerase: not compared, and shortened in the README.
_VARIES = re.compile(r"\b[0-9a-f]{12,64}\b")


def replayed(text: str, programs: Path) -> str:
    """The README with every block of commands as it comes out now.

    `programs` is a folder with psql and pg_dump.
    """
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(settings=THROWAWAY, in_memory=True) as server:
        environment = _environment(Path(folder), programs, server)

        def fresh(block: re.Match[str]) -> str:
            language, body = block.groups()
            named = _NAMED.search(text, 0, block.start())
            if named is not None and named.end() == block.start():
                path = Path(folder) / named.group(1)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(body, encoding="utf-8")
            if language != "console":
                return block.group()
            commands = [line[2:] for line in body.splitlines() if line.startswith("$ ")]
            return "```console\n" + "".join(_run(command, Path(folder), environment) for command in commands) + "```"

        return _BLOCK.sub(fresh, text)


def comparable(text: str) -> str:
    """The text without what differs from run to run."""
    return _VARIES.sub("…", text)


def _environment(folder: Path, programs: Path, server: EmbeddedServer) -> dict[str, str]:
    commands = folder / ".bin"
    commands.mkdir()
    wrapper = commands / "pgerase"
    # The running Python and its path, so that it is the pgerase under test whatever is installed.
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pgerase "$@"\n')
    wrapper.chmod(0o755)
    words = dict(re.findall(r"(\w+)='([^']*)'", server.dsn()))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {
        **kept,
        "PATH": os.pathsep.join([str(commands), str(programs), os.environ.get("PATH", os.defpath)]),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "LC_ALL": "C.UTF-8",
        "PGHOST": words["host"],
        "PGPORT": words["port"],
        "PGUSER": "shop_owner",
        "PGDATABASE": "shop",
    }


def _run(command: str, folder: Path, environment: dict[str, str]) -> str:
    """The command line as a terminal would show it, with what it printed."""
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    # psql shows the empty result of become as an empty line.
    lines = [line.rstrip() for line in done.stdout.splitlines() if line.strip()]
    return "".join(f"{line}\n" for line in (f"$ {command}", *lines))


def main() -> None:
    """Write a new run's output into the README."""
    fresh = replayed(README.read_text(encoding="utf-8"), embedded_binaries())
    README.write_text(_VARIES.sub(lambda found: found.group()[:12], fresh), encoding="utf-8")


if __name__ == "__main__":
    main()
