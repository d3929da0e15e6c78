"""`audit export`: the log for an auditor, who checks it with a program of one file."""

from __future__ import annotations

from pathlib import Path

import click

from pgerase import resources
from pgerase.cli.output import print_result, progress
from pgerase.cli.people import open_log, prefix_option
from pgerase.cli.settings import Settings, common_options
from pgerase.counts import counted
from pgerase.operate.seal.exporting import export_log


@click.command("export")
@common_options
@prefix_option
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@click.option("--no-values", is_flag=True, help="Leave out what is somebody's: then nobody can check those values.")
@click.pass_obj
def export(settings: Settings, prefix: str | None, file: Path, *, no_values: bool) -> None:
    """Write the whole log to a new file of JSON lines, with all that proves it.

    The file holds what the log holds, people's values too: only this account may read it.
    """
    with settings.open_database() as database:
        log = open_log(settings, database, prefix)
        done = export_log(log, file, values=not no_values, progress=_told)
    verifier = resources.folder("tools") / "verify_log.py"
    lines = [
        (
            f"{file}: {counted(done.headers, 'header')}, {counted(done.checkpoints, 'checkpoint')},"
            f" {counted(done.records, 'record')}, {counted(done.entries, 'entry')} and {counted(done.held, 'held entry')}"
        ),
        f"to check it: python {verifier} {file} --public-key FILE --anchors FILE",
    ]
    print_result(
        settings,
        lines,
        {
            "command": "audit export",
            "file": str(file),
            "headers": done.headers,
            "checkpoints": done.checkpoints,
            "records": done.records,
            "entries": done.entries,
            "held": done.held,
            "verifier": str(verifier),
        },
    )


def _told(entries: int, number: int, last: int) -> None:
    progress(f"{counted(entries, 'entry')} written, up to number {number} of {last}")
