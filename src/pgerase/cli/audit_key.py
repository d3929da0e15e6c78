"""`audit key new`: a key pair to sign checkpoints with. The private half is in the file alone, never printed."""

from __future__ import annotations

from pathlib import Path

import click

from pgerase.cli.audit_options import seal_rules
from pgerase.cli.output import print_result
from pgerase.cli.settings import Settings, common_options
from pgerase.operate.seal.keys import SealKey


@click.group("key")
def key() -> None:
    """Keys to sign the log with."""


@key.command("new")
@common_options
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    required=True,
    help="The file for the private key: a new one, which only this account may read. The public one goes beside it.",
)
@click.pass_obj
def new(settings: Settings, out: Path) -> None:
    """Make a key pair, and say what to do with it."""
    rules = seal_rules(settings)
    made = SealKey.new()
    public = made.write(out)
    variable = rules.key_env if rules is not None else "the variable that seal.key_env names"
    lines = [
        f"key {made.public.key_id}: {out} (private), {public} (public)",
        f"sign with it: put the private key's text into {variable}, where `pgerase audit seal` runs, and nowhere else",
        "check with it: give the public key to whoever verifies, by another way than the database",
        "keep the private key away from the database's server and backups: whoever has both can sign what never happened",
    ]
    print_result(
        settings,
        lines,
        {"command": "audit key new", "key_id": made.public.key_id, "private": str(out), "public": str(public)},
    )
