"""`pgerase retention run`, `pgerase audit maintain` and `audit status`: entries end in time, and it is noticed if they do not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

from pgerase.cli.audit_options import anchor_file, every_of, seal_rules
from pgerase.cli.lengths import length
from pgerase.cli.missing import warn_of_missing
from pgerase.cli.output import print_error, print_result, progress
from pgerase.cli.people import prefix_option, which_prefix
from pgerase.cli.settings import Settings, common_options
from pgerase.counts import counted
from pgerase.errors import DatabaseFailed, ExitCode
from pgerase.operate.log_status import MISSED_AFTER, ClassStatus, LogStatus, log_status
from pgerase.operate.retention import RunFailed
from pgerase.operate.retention import maintain as run_maintenance
from pgerase.operate.retention_model import Fate, Outcome, Run, RunState
from pgerase.operate.seal.standing import SealStanding, SealTerms
from pgerase.rules.audit import Seal

_Function = TypeVar("_Function", bound=Callable[..., Any])


def _run_options(function: _Function) -> _Function:
    for option in (
        prefix_option,
        click.option(
            "--allow-drop",
            is_flag=True,
            help="Drop more at once than missed runs explain, and what could not be sealed.",
        ),
        click.option(
            "--clock-is-right", is_flag=True, help="Trust the server's clock, however far it is from the last run."
        ),
        click.option(
            "--patience",
            callback=length("seconds"),
            default="60s",
            show_default=True,
            metavar="LENGTH",
            help="How long detaching waits for those who read the log.",
        ),
    ):
        function = option(function)
    return function


@click.group("retention")
@common_options
def retention() -> None:
    """How long the log keeps what happened."""


@retention.command("run")
@common_options
@_run_options
@click.pass_obj
def run(
    settings: Settings, prefix: str | None, allow_drop: bool, clock_is_right: bool, patience: timedelta
) -> ExitCode:
    """Drop the partitions of the log whose time is over. Exit code 3 where that waits for somebody to say so.

    Exit code 1 where somebody was in the way; the next run goes on.
    """
    return _run(
        settings,
        "retention run",
        prefix,
        make=False,
        allow_drop=allow_drop,
        clock_is_right=clock_is_right,
        patience=patience.total_seconds(),
    )


@click.command("maintain")
@common_options
@_run_options
@click.pass_obj
def maintain(
    settings: Settings, prefix: str | None, allow_drop: bool, clock_is_right: bool, patience: timedelta
) -> ExitCode:
    """All that the log needs once a day: partitions ahead, the seal, and what `retention run` does."""
    return _run(
        settings,
        "audit maintain",
        prefix,
        make=True,
        allow_drop=allow_drop,
        clock_is_right=clock_is_right,
        patience=patience.total_seconds(),
    )


@click.command("status")
@common_options
@prefix_option
@click.option(
    "--missed-after",
    callback=length(),
    default=f"{MISSED_AFTER // timedelta(hours=1)}h",
    show_default=True,
    metavar="LENGTH",
    help="Runs are missed when the last one that was done is older.",
)
@click.pass_obj
def status(settings: Settings, prefix: str | None, missed_after: timedelta) -> ExitCode:
    """Say how the log stands. Exit code 1 where that is a reason for alarm: the word to look for is ALARM."""
    pack = settings.read_pack()
    rules = seal_rules(settings)
    with settings.open_database() as database:
        found = log_status(
            database,
            which_prefix(settings, database, prefix),
            missed_after=missed_after,
            accepted=pack.settings.accepted if pack is not None else (),
            seal=None if rules is None else SealTerms(every_of(rules), anchor_file(settings, rules)),
        )
    print_result(settings, _status_lines(found, rules), _status_data(found))
    return ExitCode.NO if found.alarms else ExitCode.DONE


def _run(settings: Settings, command: str, prefix: str | None, *, make: bool, **options: Any) -> ExitCode:
    with settings.open_database() as database:
        prefix = which_prefix(settings, database, prefix)
        try:
            done = run_maintenance(database, prefix, make=make, **options)
        except RunFailed as failed:
            # What was done is told all the same; in JSON it is one document with the error.
            data = {"command": command, **_run_data(failed.run)}
            if settings.json:
                print_error(settings, kind=DatabaseFailed.__name__, error=failed, code=failed.exit_code, data=data)
                return failed.exit_code
            print_result(settings, _run_lines(failed.run), data)
            raise
        # Whoever makes partitions has said what became of them; here nobody else would.
        missing = {} if make else {"findings": warn_of_missing(database, prefix)}
    print_result(settings, _run_lines(done), {"command": command, **_run_data(done), **missing})
    if done.refused:
        if done.refusal:
            progress("hint: set the clock; if it is right, say so once: --clock-is-right")
        return ExitCode.REFUSED
    return ExitCode.DONE if done.state is RunState.DONE else ExitCode.NO


def _run_lines(done: Run) -> list[str]:
    if done.refusal:
        return [f"run {done.number}: refused: {done.refusal}"]
    lines = [_outcome_line(outcome) for outcome in done.outcomes]
    if done.released:
        lines.append(f"{counted(done.released, 'held entry')} that nobody holds any more went")
    if done.pruned:
        went = "was removed" if done.pruned == 1 else "were removed"
        lines.append(f"{counted(done.pruned, 'support grant')} that ended longer ago than entries are kept {went}")
    counts = ", ".join(f"{count} {fate.value}" for fate, count in done.counts.items()) or "nothing to do"
    lines.append(f"run {done.number}: {done.state.value}: {counts}")
    return lines


def _outcome_line(outcome: Outcome) -> str:
    bounds = f"  {_day(outcome.lower)} to {_day(outcome.upper)}" if outcome.upper else ""
    is_class = outcome.fate is Fate.MADE and outcome.anew is None
    count = "" if outcome.count == 1 and not is_class else f"  {outcome.count}"
    return f"{outcome.fate.value:<9}  {outcome.name}{bounds}{count}{f'  ({outcome.why})' if outcome.why else ''}"


def _run_data(done: Run) -> dict[str, Any]:
    return {
        "run": done.number,
        "clock": done.clock.isoformat(),
        "state": done.state.value,
        "refusal": done.refusal or None,
        "sealed": done.sealed,
        "released": done.released,
        "pruned": done.pruned,
        "outcomes": [
            {
                "name": one.name,
                "class": one.class_name,
                "outcome": one.fate.value,
                "from": _iso(one.lower),
                "to": _iso(one.upper),
                "count": one.count,
                "why": one.why,
                "anew": one.anew,
            }
            for one in done.outcomes
        ],
    }


def _status_lines(found: LogStatus, rules: Seal | None) -> list[str]:
    lines = [_class_line(one) for one in found.classes] or ["no class of entries is defined"]
    last = "never" if found.last_run is None else f"{_minute(found.last_run)}, {found.last_state}"
    lines.append(f"last run: {last}; last that was done: {_minute(found.last_done) if found.last_done else 'never'}")
    if found.classes:
        lines.append(_seal_line(found.seal, rules))
    if found.holds or found.held:
        lines.append(f"holds: {found.holds}, with {counted(found.held, 'entry')} held past their time")
    return [*lines, *(f"ALARM: {alarm}" for alarm in found.alarms)]


def _seal_line(seal: SealStanding, rules: Seal | None) -> str:
    """When it was sealed, signed and anchored last, as far as that is known here."""
    sealed, signed = (_minute(at) if at else "never" for at in (seal.sealed_at, seal.signed_at))
    if rules is None:
        anchored = "not known without audit.yaml"
    elif rules.anchor_file is None:
        anchored = "nowhere" if rules.anchor_webhook_env is None else "not known here, as a webhook takes them"
    elif not seal.has_anchors:
        anchored = f"not known here, as there is no {rules.anchor_file} to read"
    else:
        anchored = _minute(seal.anchored_at) if seal.anchored_at else "never"
    return f"last seal: {sealed}; last signature: {signed}; last anchor: {anchored}"


def _class_line(one: ClassStatus) -> str:
    span = f" from {_day(one.oldest)} to {_day(one.newest)}" if one.partitions else ""
    return f"{one.name}: kept {one.keep}, by {one.period}; {counted(one.partitions, 'partition')}{span}"


def _status_data(found: LogStatus) -> dict[str, Any]:
    return {
        "command": "audit status",
        "classes": [
            {
                "class": one.name,
                "keep": one.keep,
                "partition": one.period,
                "ahead": one.ahead,
                "partitions": one.partitions,
                "oldest": _iso(one.oldest),
                "newest": _iso(one.newest),
                "has_next": one.has_next,
                "overdue": one.overdue,
                "detach_pending": one.is_pending,
                "early_since": _iso(one.early_since),
            }
            for one in found.classes
        ],
        "gaps": [
            {
                "class": one.class_name,
                "tables": list(one.families),
                "from": _iso(one.lower),
                "to": _iso(one.upper),
                "is_now": one.is_now,
            }
            for one in found.gaps
        ],
        "last_run": _iso(found.last_run),
        "last_state": None if found.last_state is None else found.last_state.value,
        "last_sqlstate": found.last_sqlstate or None,
        "last_done": _iso(found.last_done),
        "last_seal": _iso(found.seal.sealed_at),
        "last_signature": _iso(found.seal.signed_at),
        "last_anchor": _iso(found.seal.anchored_at),
        "unsealed": found.seal.unsealed,
        "detached": found.detached,
        "holds": found.holds,
        "held": found.held,
        "late_messages": found.late_messages,
        "refused_messages": found.refused_messages,
        "alarms": list(found.alarms),
    }


def _day(at: datetime | None) -> str:
    return "the beginning" if at is None else f"{at:%Y-%m-%d}"


def _minute(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M %Z}"


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
