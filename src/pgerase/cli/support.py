"""`pgerase support …`: access of the staff to one person's data; the commands have modules of their own."""

from __future__ import annotations

import click

from pgerase.cli.settings import common_options
from pgerase.cli.support_access import approve, close, list_all, open_one, review
from pgerase.cli.support_who_saw import who_saw


@click.group("support")
@common_options
def support() -> None:
    """Access of the staff to one person's data."""


for command in (open_one, approve, close, review, list_all, who_saw):
    support.add_command(command)
