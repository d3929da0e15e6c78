"""`pgerase audit …`: the log, as whoever runs it sees it."""

from __future__ import annotations

import click

from pgerase.cli.retention import maintain, status
from pgerase.cli.settings import common_options


@click.group("audit")
@common_options
def audit() -> None:
    """The log of what happened: how it stands, and what keeps it going."""


audit.add_command(status)
audit.add_command(maintain)
