"""`pgerase support open|approve|close|review|list`: what operators do about support access, in the name of one of the staff."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from pgerase.cli.lengths import length as length_option
from pgerase.cli.output import print_result, progress
from pgerase.cli.people import open_register, prefix_option
from pgerase.cli.settings import Settings, common_options
from pgerase.counts import counted
from pgerase.operate.support import (
    Access,
    approve_access,
    close_access,
    end_sessions,
    list_access,
    open_access,
    review_access,
)
from pgerase.report import printable

_OVER = frozenset({"closed", "expired", "ended by erasing"})
"""States in which nothing is open, and nobody has anything to do."""

number_argument = click.argument("number", type=int, metavar="GRANT")
as_option = click.option("--as", "viewer", required=True, metavar="KEY", help="Who of the staff does it, by key.")


@click.command("open")
@common_options
@click.argument("subject")
@click.argument("key")
@as_option
@click.option("--reason", default="", metavar="TEXT", help="Why; the person is told, so name nobody else.")
@click.option("--ticket", default="", metavar="T", help="An opaque reference, such as a ticket number; never a name.")
@click.option(
    "--for",
    "length",
    callback=length_option(),
    default="1h",
    show_default=True,
    metavar="LENGTH",
    help="How long: 30m, 4h, 1 day. What the rules allow at most is `longest` in audit.yaml.",
)
@click.option("--break-glass", is_flag=True, help="Though the person does not allow it.")
@prefix_option
@click.pass_obj
def open_one(
    settings: Settings,
    subject: str,
    key: str,
    viewer: str,
    reason: str,
    ticket: str,
    length: timedelta,
    break_glass: bool,
    prefix: str | None,
) -> None:
    """Open access to the data of the person of SUBJECT with this KEY. It opens nothing before it is committed, which it is then."""
    until = datetime.now(UTC) + length
    with settings.open_database() as database:
        opened = open_access(
            open_register(settings, database, prefix),
            subject,
            key,
            holder=viewer,
            until=until,
            reason=reason,
            ticket=ticket,
            break_glass=break_glass,
        )
    _print(settings, "open", opened)


@click.command("approve")
@common_options
@number_argument
@as_option
@prefix_option
@click.pass_obj
def approve(settings: Settings, number: int, viewer: str, prefix: str | None) -> None:
    """Approve break-glass access as a second person."""
    with settings.open_database() as database:
        approved = approve_access(open_register(settings, database, prefix), number, by=viewer)
    _print(settings, "approve", approved)


@click.command("close")
@common_options
@number_argument
@click.option("--as", "viewer", metavar="KEY", help="In whose name, by key; without it as an operator.")
@click.option("--now", is_flag=True, help="End the holder's sessions too, which stops cursors and open transactions.")
@prefix_option
@click.pass_obj
def close(settings: Settings, number: int, viewer: str | None, now: bool, prefix: str | None) -> int:
    """Close support access. It ends with the holder's next statement; with --now at once, where that is possible."""
    ended, why_not = 0, ""
    with settings.open_database() as database:
        register = open_register(settings, database, prefix)
        closed = close_access(register, number, by=viewer)
        if now:
            ended, why_not = end_sessions(register, closed.holder)
    said = {"sessions_ended": ended, "not_possible": why_not} if now else {}
    _print(settings, "close", closed, **said)
    if now:
        progress(
            f"no session was ended: {why_not}"
            if why_not
            else f"{counted(ended, 'session')} {'was' if ended == 1 else 'were'} ended"
        )
    return 1 if why_not else 0


@click.command("review")
@common_options
@number_argument
@as_option
@click.option("--verdict", type=click.Choice(["justified", "unjustified"]), required=True, help="What was found.")
@prefix_option
@click.pass_obj
def review(settings: Settings, number: int, viewer: str, verdict: str, prefix: str | None) -> None:
    """Review break-glass access that is over; until then its holder cannot break the glass again."""
    with settings.open_database() as database:
        reviewed = review_access(open_register(settings, database, prefix), number, by=viewer, verdict=verdict)
    _print(settings, "review", reviewed)


@click.command("list")
@common_options
@click.option("--all", "over", is_flag=True, help="What is over and needs nothing more as well.")
@prefix_option
@click.pass_obj
def list_all(settings: Settings, over: bool, prefix: str | None) -> None:
    """List support access that is open, or waits for approval or review; the newest first."""
    with settings.open_database() as database:
        found = list_access(open_register(settings, database, prefix))
    shown = [one for one in found if over or one.state not in _OVER]
    lines = [_line(one) for one in shown] or ["nobody has support access"]
    print_result(settings, lines, {"command": "support list", "grants": [_data(one) for one in shown]})


def _print(settings: Settings, command: str, access: Access, **more: Any) -> None:
    print_result(settings, [_line(access)], {"command": f"support {command}", "grant": _data(access), **more})


def _line(access: Access) -> str:
    kind = "break-glass" if access.kind == "break_glass" else "support"
    why = "; ".join(printable(said) for said in (access.reason, access.ticket) if said)
    noted = [f"approved by {access.approved_by}"] if access.approved_by else []
    noted += [f"{access.verdict}, says {access.reviewed_by}"] if access.verdict else []
    more = "".join(f"  {said}" for said in (why, printable(", ".join(noted))) if said)
    due = (
        f", review due {access.review_due:%Y-%m-%d %H:%M %Z}" if access.review_due and "review" in access.state else ""
    )
    until = f"until {access.until:%Y-%m-%d %H:%M %Z}"
    return f"{access.number:>6}  {kind:<11}  {access.state}{due}  {access.holder} on {access.subject} {access.person}  {until}{more}"


def _data(access: Access) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in asdict(access).items()}
