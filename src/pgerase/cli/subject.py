"""`subject`: what is done with one person's data."""

from __future__ import annotations

import click

from pgerase.cli.prove import prove
from pgerase.cli.settings import common_options


@click.group("subject")
@common_options
def subject() -> None:
    """What is done with one person's data."""


subject.add_command(prove)
