"""`pgerase support who-saw`: who of the staff could look at somebody's data, for the officer who answers the person's question."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, TextIO

import click

from pgerase.cli.output import print_result
from pgerase.cli.people import open_register, people_options, read_keys
from pgerase.cli.settings import Settings, common_options
from pgerase.counts import counted
from pgerase.operate import Sight, State, status
from pgerase.operate import who_saw as read_sights
from pgerase.report import printable


@click.command("who-saw")
@common_options
@people_options
@click.pass_obj
def who_saw(settings: Settings, subject: str, keys: tuple[str, ...], file: TextIO | None, prefix: str | None) -> None:
    """Show who of the staff could look at the data of the people of SUBJECT with these keys, when and why, and which rows they asked to read.

    It is what the people see themselves by the function who_saw_me(). Staff is named only where audit.yaml says so.
    """
    people = read_keys(keys, file)
    with settings.open_database() as database:
        register = open_register(settings, database, prefix)
        found = [(key, read_sights(register, subject, key)) for key in people]
        unseen = [key for key, sights in found if not sights]
        nobody: set[str] = (
            {one.key for one in status(register, subject, unseen) if one.state is State.MISSING} if unseen else set()
        )
    print_result(
        settings,
        [line for key, sights in found for line in _lines(subject, key, sights, is_there=key not in nobody)],
        {
            "command": "support who-saw",
            "seen": [_data(subject, key, sight) for key, sights in found for sight in sights],
        },
    )


def _lines(subject: str, key: str, sights: tuple[Sight, ...], *, is_there: bool) -> Iterator[str]:
    if not sights:
        # Grants are pruned once their time is over: what is not on record is not said never to have been.
        yield f"no support access to {subject} {key} is on record" + ("" if is_there else ", and nobody has this key")
        return
    yield f"{subject} {key}"
    for sight in sights:
        who = f"{sight.kind} ({printable(sight.staff)})" if sight.staff is not None else sight.kind
        end = f"closed {_time(sight.closed_at)}" if sight.closed_at is not None else f"until {_time(sight.until)}"
        why = "; ".join(printable(said) for said in (sight.reason, sight.ticket) if said)
        yield f"{sight.number:>6}  {who}  {_time(sight.since)}, {end}  {why or 'the reason is erased'}"
        yield f"        could see: the person's own row{''.join(f', {printable(link)}' for link in sight.reachable)}"
        for one in sight.returned:
            rows = "rows" if one.rows is None else counted(one.rows, "row")
            unknown = "; how many is erased" if one.rows is None else ""
            yield f"        asked to read, and was shown at most: {rows} of {printable(one.resource)}, {_time(one.at)}{unknown}"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M %Z}"


def _data(subject: str, key: str, sight: Sight) -> dict[str, Any]:
    return {
        "subject": subject,
        "key": key,
        "access": sight.number,
        "kind": sight.kind,
        "staff": sight.staff,
        "since": sight.since.isoformat(),
        "until": sight.until.isoformat(),
        "closed_at": sight.closed_at.isoformat() if sight.closed_at is not None else None,
        "reason": sight.reason,
        "ticket": sight.ticket,
        "reachable": list(sight.reachable),
        "returned": [{"at": one.at.isoformat(), "resource": one.resource, "rows": one.rows} for one in sight.returned],
    }
