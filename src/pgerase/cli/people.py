"""What the commands about people share: how they are named on the command line, and how requests and counts are printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, TextIO, TypeVar

import click

from pgerase.apply.ledger import find_prefix
from pgerase.cli.settings import Settings
from pgerase.counts import counted, plural
from pgerase.database import Database
from pgerase.errors import SQLSTATES, UNDER_HOLD, UsageError
from pgerase.operate import Count, Failure, Register, Request, Violation
from pgerase.operate.log import Log
from pgerase.operate.model import Held
from pgerase.report import printable

_UTF8 = "nothing was looked up and nothing changed: the database stores text in UTF-8, write the keys so"

_Function = TypeVar("_Function", bound=Callable[..., Any])

prefix_option = click.option(
    "--prefix", metavar="NAME", help="Instead of the pack's prefix, or the one installed here."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
missing_option = click.option(
    "--allow-missing", is_flag=True, help="Accept keys of nobody: for what was left of people whose row is gone."
)


def people_options(function: _Function) -> _Function:
    """Give a command SUBJECT, KEY… and `--file`, and `--prefix`."""
    for option in (
        prefix_option,
        click.option(
            "--file", type=click.File(encoding="utf-8"), help="Read keys from a file, one a line; - is stdin."
        ),
        click.argument("keys", nargs=-1, metavar="[KEY]..."),
        click.argument("subject"),
    ):
        function = option(function)
    return function


def read_keys(keys: Sequence[str], file: TextIO | None) -> list[str]:
    """The keys given as arguments and in the file, without empty lines. Raises UsageError where there are none, or what is no text."""
    found = list(keys)
    for number, key in enumerate(found, 1):
        # Bytes that are no text come as halves of pairs. Which key it is, and not what: keys are personal.
        if any("\ud800" <= character <= "\udfff" for character in key):
            raise UsageError(f"key {number} on the command line is not valid UTF-8", hint=_UTF8)
    if file is not None:
        try:
            found += [line for line in file.read().splitlines() if line]
        except UnicodeDecodeError as error:
            # From None: the chain would show the file.
            raise UsageError(f"the file of keys is not valid UTF-8, at byte {error.start + 1}", hint=_UTF8) from None
    if not found:
        raise UsageError("no key was given", hint="name people by their keys, or give a file with one a line: --file")
    return found


def which_prefix(settings: Settings, database: Database, prefix: str | None) -> str:
    """The prefix given, else the pack's, else the one installed. Raises Refused."""
    if prefix is not None:
        return prefix
    pack = settings.read_pack()
    return pack.settings.prefix if pack is not None else find_prefix(database)


def open_register(settings: Settings, database: Database, prefix: str | None) -> Register:
    """The register of that prefix (`which_prefix`). Raises Refused, UsageError."""
    return Register(database, which_prefix(settings, database, prefix))


def open_log(settings: Settings, database: Database, prefix: str | None) -> Log:
    """The log of that prefix (`which_prefix`). Raises Refused, UsageError."""
    return Log(database, which_prefix(settings, database, prefix))


def is_overdue(request: Request) -> bool:
    """Whether an open request should have been answered before today."""
    return request.closed_at is None and request.due_on < datetime.now(UTC).date()


def request_line(request: Request) -> str:
    """A request on one line."""
    state = (
        f"due {request.due_on}{' OVERDUE' if is_overdue(request) else ''}"
        if request.outcome is None
        else f"{request.outcome.value} {request.closed_at:%Y-%m-%d}"
    )
    reference = f"  {request.reference}" if request.reference else ""
    return f"{request.number:>6}  {request.kind.value:<13}  {request.subject}  {state}  {tally(request)}{reference}"


def tally(request: Request) -> str:
    """How far a request got."""
    parts = [f"{request.done} done"]
    parts += [
        f"{number} {word}" for number, word in ((request.failed, "failed"), (request.pending, "pending")) if number
    ]
    return f"{counted(request.people, 'person')}: {', '.join(parts)}"


def request_data(request: Request) -> dict[str, Any]:
    """A request as JSON wants it."""
    return {
        **asdict(request),
        "kind": request.kind.value,
        "received_at": request.received_at.isoformat(),
        "due_on": request.due_on.isoformat(),
        "closed_at": request.closed_at.isoformat() if request.closed_at else None,
        "outcome": request.outcome.value if request.outcome else None,
        "overdue": is_overdue(request),
    }


def count_lines(counts: Sequence[Count]) -> list[str]:
    """A line a table and strategy."""
    relation = max((len(count.relation) for count in counts), default=0)
    strategy = max((len(count.strategy) for count in counts), default=0)
    return [
        f"{count.relation:<{relation}}  {count.strategy:<{strategy}}  {count.rows:>8} {plural(count.rows, 'row'):<4}"
        f"  {count.people:>6} {plural(count.people, 'person')}"
        for count in counts
    ]


def violation_lines(subject: str, violations: Sequence[Violation]) -> list[str]:
    """A line for whatever would keep somebody from being erased."""
    return [
        f"would fail: {subject} {one.key}: {counted(one.rows, 'row')} of {one.relation} would violate {one.constraint}"
        for one in violations
    ]


def failure_lines(subject: str, failures: Sequence[Failure], held: Sequence[Held] = ()) -> list[str]:
    """A line for everybody who could not be erased; `held` are those of them who are under legal hold."""
    holds = {one.key: one for one in held}
    return [
        f"failed: {subject} {one.key}: {held_text(holds[one.key])}"
        if one.sqlstate == UNDER_HOLD and one.key in holds
        else f"failed: {subject} {one.key}: SQLSTATE {one.sqlstate}"
        + (f", table {one.relation}" if one.relation else "")
        + (f", constraint {one.constraint}" if one.constraint else "")
        + (f" ({SQLSTATES[one.sqlstate]})" if one.sqlstate in SQLSTATES else "")
        for one in failures
    ]


def failure_data(failure: Failure) -> dict[str, str]:
    """A failure as JSON wants it, with what an SQLSTATE of ours means."""
    return {**asdict(failure), "message": SQLSTATES.get(failure.sqlstate, "")}


def held_text(held: Held) -> str:
    """Since when, and by which references."""
    return f"under legal hold since {held.since:%Y-%m-%d} ({', '.join(map(printable, held.references))})"


def held_data(held: Sequence[Held]) -> list[dict[str, Any]]:
    """Who is under legal hold, as JSON wants it."""
    return [{"key": one.key, "references": list(one.references), "since": one.since.isoformat()} for one in held]
