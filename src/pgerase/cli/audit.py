"""`pgerase audit …`: the log, as whoever runs it sees it."""

from __future__ import annotations

import click

from pgerase.cli.audit_coverage import coverage
from pgerase.cli.audit_export import export
from pgerase.cli.audit_key import key
from pgerase.cli.audit_seal import seal
from pgerase.cli.audit_tail import history, tail
from pgerase.cli.audit_verify import verify
from pgerase.cli.retention import maintain, status
from pgerase.cli.settings import common_options


@click.group("audit")
@common_options
def audit() -> None:
    """The log of what happened: how it stands, and what keeps it going."""


audit.add_command(coverage)
audit.add_command(seal)
audit.add_command(verify)
audit.add_command(export)
audit.add_command(key)
audit.add_command(status)
audit.add_command(maintain)
audit.add_command(tail)
audit.add_command(history)
