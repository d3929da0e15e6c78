"""`pgerase subject hold`, `subject holds` and `subject release`: legal holds on people."""

from __future__ import annotations

from typing import Any, TextIO

import click

from pgerase.cli.output import confirm, print_result
from pgerase.cli.people import (
    missing_option,
    open_log,
    open_register,
    people_options,
    prefix_option,
    read_keys,
    yes_option,
)
from pgerase.cli.settings import Settings, common_options
from pgerase.counts import counted
from pgerase.errors import ExitCode
from pgerase.operate.holds import Hold, OwnRow, list_holds, place_holds, release_holds
from pgerase.operate.log import Log
from pgerase.operate.people import status
from pgerase.operate.register import Register
from pgerase.report import printable


@click.command("hold")
@common_options
@people_options
@missing_option
@click.option(
    "--reference", required=True, metavar="R", help="An opaque reference to the reason: the number of a case."
)
@click.pass_obj
def hold(
    settings: Settings,
    subject: str,
    keys: tuple[str, ...],
    file: TextIO | None,
    prefix: str | None,
    allow_missing: bool,
    reference: str,
) -> None:
    """Keep what the log has about people, past its time, and refuse to erase them, until `release`.

    With --pack, entries about the person's own row are held too, where the row's key is not personal.
    """
    people = read_keys(keys, file)
    with settings.open_database() as database:
        register = open_register(settings, database, prefix)
        placed = place_holds(
            register,
            subject,
            people,
            reference=reference,
            own_row=_own_row(settings, subject),
            missing_too=allow_missing,
        )
    data = [_data(one) for one in placed]
    print_result(
        settings, [_line(one) for one in placed], {"command": "subject hold", "subject": subject, "holds": data}
    )


@click.command("holds")
@common_options
@click.argument("subject", required=False)
@prefix_option
@click.pass_obj
def holds(settings: Settings, subject: str | None, prefix: str | None) -> None:
    """List the holds that last, the oldest first: on all people, or on those of one SUBJECT."""
    with settings.open_database() as database:
        log = open_log(settings, database, prefix)
        found = [one for one in list_holds(log) if subject in (None, one.subject)]
        if subject is not None and not found:
            # A slip is not to be taken for an answer.
            status(Register(database, log.names.prefix), subject, ())
    lines = [_line(one) for one in found] or ["nobody is held"]
    data = [{"subject": one.subject, **_data(one)} for one in found]
    print_result(settings, lines, {"command": "subject holds", "holds": data})


@click.command("release")
@common_options
@people_options
@yes_option
@click.option("--reference", default="", metavar="R", help="Only the hold with this reference.")
@click.pass_obj
def release(
    settings: Settings,
    subject: str,
    keys: tuple[str, ...],
    file: TextIO | None,
    prefix: str | None,
    yes: bool,
    reference: str,
) -> ExitCode:
    """End holds on people. What they kept past its time goes with the next run of retention. Exit code 1 where there is none."""
    people = read_keys(keys, file)
    confirm(f"release the holds on {counted(len(set(people)), 'person')}?", yes=yes)
    with settings.open_database() as database:
        register = open_register(settings, database, prefix)
        released = release_holds(Log(database, register.names.prefix), subject, people, reference=reference)
        if not released:
            # A slip is not to be taken for an answer.
            status(register, subject, ())
    nobody = "" if released else f"; nobody of them is held{f' under {reference}' if reference else ''}"
    print_result(
        settings,
        [f"released: {released}{printable(nobody)}"],
        {"command": "subject release", "subject": subject, "released": released},
    )
    return ExitCode.DONE if released else ExitCode.NO


def _line(hold: Hold) -> str:
    return printable(f"{hold.subject} {hold.person}  held since {hold.placed_at:%Y-%m-%d %H:%M %Z}, {hold.reference}")


def _data(hold: Hold) -> dict[str, Any]:
    return {
        "hold": hold.number,
        "key": hold.person,
        "reference": hold.reference,
        "placed_at": hold.placed_at.isoformat(),
    }


def _own_row(settings: Settings, subject: str) -> OwnRow | None:
    """The table of a subject that the pack's data map names, unless its key is personal: then entries do not show it."""
    pack = settings.read_pack()
    if pack is None or pack.data_map is None:
        return None
    for one in pack.data_map.subjects:
        if one.name == subject and one.table is not None and not any(column.natural for column in one.key):
            return OwnRow(str(one.table), tuple(column.column for column in one.key))
    return None
