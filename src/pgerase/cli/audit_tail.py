"""`pgerase audit tail` and `audit history`: the log on a terminal, as it grows or of one row; JSON lines for machines."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event

import click

from pgerase.cli.lengths import LengthProblem, length, parse_length
from pgerase.cli.output import progress
from pgerase.cli.people import open_register, prefix_option
from pgerase.cli.settings import Settings, common_options
from pgerase.errors import UsageError
from pgerase.operate import Register
from pgerase.operate.tail import ACTIONS, Entry, Tail, Wanted, assert_known, why_nothing
from pgerase.report.entries import Kind, entry_json, entry_line

_COLOURS = {Kind.TIME: "bright_black", Kind.TABLE: "cyan", Kind.WHO: "magenta"}
_ACTIONS = {"insert": "green", "update": "yellow", "delete": "red", "truncate": "red"}
_EVERY = length("seconds", least=timedelta(seconds=0.1), most=timedelta(hours=1))

values_option = click.option("--values", is_flag=True, help="Show what is somebody's, too.")


@click.command("tail")
@common_options
@prefix_option
@click.option(
    "-n", "--lines", default=20, show_default=True, metavar="N", help="How many of the last ones to begin with."
)
@click.option("--follow/--no-follow", default=True, help="Go on as entries come, which is the default, or end.")
@click.option(
    "--every", callback=_EVERY, default="1s", show_default=True, metavar="LENGTH", help="How often --follow looks."
)
@click.option("--table", metavar="TABLE", help="Of this table alone, with or without its schema.")
@click.option(
    "--person",
    nargs=2,
    metavar="SUBJECT KEY",
    help="What is this person's alone; of others' values in the same entry, how many people have some.",
)
@click.option("--actor", metavar="KEY", help="What was done on behalf of this viewer alone.")
@click.option(
    "--action",
    "actions",
    multiple=True,
    type=click.Choice(ACTIONS, case_sensitive=False),
    metavar="NAME",
    help=f"This alone, as often as needed: {', '.join(ACTIONS)}.",
)
@click.option(
    "--since",
    metavar="WHEN",
    help="From then on: 2026-03-01, 2026-03-01T08:00, or 30m, 2 hours, 7d ago. Begins with the last --lines of these.",
)
@values_option
@click.pass_obj
def tail(
    settings: Settings,
    prefix: str | None,
    lines: int,
    *,
    follow: bool,
    every: timedelta,
    table: str | None,
    person: tuple[str, str] | None,
    actor: str | None,
    actions: tuple[str, ...],
    since: str | None,
    values: bool,
) -> None:
    """Show the log as it grows: a line an entry, with what changed; personal values as (apart), unless --values.

    Whatever is committed is shown once, also what was written before entries that are shown already. Ctrl-C ends it.
    """
    if not 0 <= lines <= 1_000_000:
        raise UsageError("--lines takes 0 to 1000000")
    wanted = Wanted(
        table=table,
        actor=actor,
        actions=actions or None,
        person=person or None,
        since=None if since is None else _since(since),
        values=values,
    )
    with _ending_well(), settings.open_database() as database:
        register = open_register(settings, database, prefix)
        looking = Tail(register, wanted)
        if not _show(settings, looking.last(lines), values=values):
            assert_known(register, wanted)
            if lines:
                _say_why(register, wanted)
        waiting = Event()
        while follow and not waiting.wait(every.total_seconds()):
            _show(settings, looking.new(), values=values)


@click.command("history")
@common_options
@prefix_option
@click.argument("table", metavar="TABLE")
@click.argument("key", nargs=-1, required=True, metavar="COLUMN=VALUE...")
@click.option("-n", "--lines", default=1000, show_default=True, metavar="N", help="At most so many, the last ones.")
@values_option
@click.pass_obj
def history(
    settings: Settings, prefix: str | None, table: str, key: tuple[str, ...], lines: int, *, values: bool
) -> None:
    """Show who changed one row of TABLE, which is named by its key: COLUMN=VALUE for each of the key's columns.

    Numbers are found by what they are worth: 70 finds 70.00. What emptied the whole table is shown too. A column that is personal is not in an entry's key, and cannot be asked for.
    """
    pairs = [part.partition("=") for part in key]
    if not all(column and equals for column, equals, _ in pairs) or lines < 1:
        raise UsageError(
            "the key of a row is written COLUMN=VALUE",
            hint="For example: pgerase audit history cs.company company_id=17",
        )
    wanted = Wanted(table=table, key={column: value for column, _, value in pairs}, values=values)
    with _ending_well(), settings.open_database() as database:
        register = open_register(settings, database, prefix)
        found = Tail(register, wanted).last(lines)
        _show(settings, found, values=values)
        if all(entry.key is None for entry in found):
            assert_known(register, wanted)
            _say_why(register, wanted)


def _say_why(register: Register, wanted: Wanted) -> None:
    """An empty answer is not to be taken for "nobody touched it" where a name was mistyped."""
    progress(why_nothing(register, wanted))


@contextmanager
def _ending_well() -> Generator[None]:
    """Whoever presses Ctrl-C, or closes the pipe, has seen enough: that is no error."""
    try:
        yield
    except KeyboardInterrupt:
        return
    except BrokenPipeError:
        # What is left in the buffer goes nowhere, and without a complaint when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show(settings: Settings, entries: Iterable[Entry], *, values: bool) -> int:
    """Print entries, and return how many there were."""
    shown = 0
    for shown, entry in enumerate(entries, 1):  # noqa: B007 - counted for what comes after the loop
        if settings.json:
            click.echo(entry_json(entry, values=values))
        else:
            # Where nobody wants colours, or no terminal is there, click takes them out.
            line = "".join(_styled(kind, text) for kind, text in entry_line(entry, values=values))
            click.echo(line, color=False if os.environ.get("NO_COLOR") else None)
    return shown


def _styled(kind: Kind, text: str) -> str:
    colour = _ACTIONS.get(text, "blue") if kind is Kind.ACTION else _COLOURS.get(kind)
    return text if colour is None else click.style(text, fg=colour)


def _since(text: str) -> datetime:
    """A moment, in UTC where it does not say. Raises UsageError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        try:
            return datetime.now(UTC) - parse_length(text.removesuffix(" ago"))
        except LengthProblem:
            raise UsageError(
                f"{text} is no time", hint="Write 2026-03-01, 2026-03-01T08:00+01:00, or 30m, 2 hours, 7d."
            ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
