"""`pgerase request open|list|close`: the register of what people asked for, and by when it has to be answered."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TextIO

import click

from pgerase.cli.output import print_result
from pgerase.cli.people import (
    missing_option,
    open_register,
    people_options,
    prefix_option,
    read_keys,
    request_data,
    request_line,
)
from pgerase.cli.settings import Settings, common_options
from pgerase.operate import Outcome, RequestKind, close_request, list_requests, open_request


@click.group("request")
@common_options
def request() -> None:
    """Requests of people: open, list and close them."""


@request.command("open")
@common_options
@people_options
@missing_option
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in RequestKind]),
    default=RequestKind.ERASURE.value,
    show_default=True,
    help="What they ask for.",
)
@click.option(
    "--reference", default="", metavar="R", help="An opaque reference, such as a ticket number; never a name."
)
@click.option("--received", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="When it came in; now by default.")
@click.pass_obj
def open_one(
    settings: Settings,
    subject: str,
    keys: tuple[str, ...],
    file: TextIO | None,
    prefix: str | None,
    allow_missing: bool,
    kind: str,
    reference: str,
    received: datetime | None,
) -> None:
    """Open a request about the people of SUBJECT with these keys. It is due a calendar month after it came in."""
    people = read_keys(keys, file)
    with settings.open_database() as database:
        opened = open_request(
            open_register(settings, database, prefix),
            subject,
            people,
            kind=RequestKind(kind),
            reference=reference,
            received_at=received.replace(tzinfo=UTC) if received is not None else None,
            missing_too=allow_missing,
        )
    print_result(settings, [request_line(opened)], {"command": "request open", "request": request_data(opened)})


@request.command("list")
@common_options
@prefix_option
@click.option("--all", "closed", is_flag=True, help="Closed ones as well.")
@click.pass_obj
def list_all(settings: Settings, prefix: str | None, closed: bool) -> None:
    """List open requests, the one due first first."""
    with settings.open_database() as database:
        found = list_requests(open_register(settings, database, prefix), closed=closed)
    lines = [request_line(one) for one in found] or ["no request is open" if not closed else "there is no request"]
    print_result(settings, lines, {"command": "request list", "requests": [request_data(one) for one in found]})


@request.command("close")
@common_options
@click.argument("number", type=int, metavar="ID")
@prefix_option
@click.option("--withdrawn", is_flag=True, help="It was withdrawn: whoever is not erased yet stays.")
@click.pass_obj
def close_one(settings: Settings, number: int, prefix: str | None, withdrawn: bool) -> None:
    """Close a request. One for erasure is closed as done only when all of its people are erased."""
    with settings.open_database() as database:
        register = open_register(settings, database, prefix)
        closed = close_request(register, number, outcome=Outcome.WITHDRAWN if withdrawn else Outcome.DONE)
    print_result(settings, [request_line(closed)], {"command": "request close", "request": request_data(closed)})
