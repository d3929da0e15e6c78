"""`pgerase support …`: access of the staff to one person's data; each command has a module of its own."""

from __future__ import annotations

import click

from pgerase.cli.settings import common_options
from pgerase.cli.support_who_saw import who_saw


@click.group("support")
@common_options
def support() -> None:
    """Access of the staff to one person's data."""


support.add_command(who_saw)
