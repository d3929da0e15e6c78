"""`pgerase subject …`: where people stand, making them inactive or active, erasing them, and what the ledger knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TextIO

import click

from pgerase.cli.bar import bar
from pgerase.cli.hold import hold, holds, release
from pgerase.cli.output import confirm, print_result, progress
from pgerase.cli.people import (
    count_lines,
    failure_data,
    failure_lines,
    held_data,
    held_text,
    missing_option,
    open_register,
    people_options,
    read_keys,
    request_data,
    tally,
    violation_lines,
    yes_option,
)
from pgerase.cli.prove import prove
from pgerase.cli.settings import Settings, common_options
from pgerase.counts import counted
from pgerase.errors import ExitCode, PgeraseError, Refused, UsageError
from pgerase.operate import (
    Count,
    DryRun,
    Erasure,
    Outcome,
    Register,
    Request,
    State,
    close_request,
    dry_run,
    erase,
    history,
    open_request,
    read_request,
    rehearse,
    retry_request,
    set_state,
    status,
)
from pgerase.operate.erase import DEFAULT_BATCH, LARGEST_BATCH


@click.group("subject")
@common_options
def subject() -> None:
    """People, as the data map names them: SUBJECT says which kind, KEY who."""


subject.add_command(prove)
subject.add_command(hold)
subject.add_command(holds)
subject.add_command(release)


@subject.command("status")
@common_options
@people_options
@click.pass_obj
def status_of(
    settings: Settings, subject: str, keys: tuple[str, ...], file: TextIO | None, prefix: str | None
) -> ExitCode:
    """Say where people stand: active, inactive, erased or missing. Exit code 1 where somebody is missing."""
    people = read_keys(keys, file)
    with settings.open_database() as database:
        found = status(open_register(settings, database, prefix), subject, people)
    lines = [
        f"{subject} {one.key}  {one.state.value}{f' {one.erased_at:%Y-%m-%d %H:%M}' if one.erased_at else ''}"
        for one in found
    ]
    data = [
        {
            "key": one.key,
            "state": one.state.value,
            "erased_at": one.erased_at.isoformat() if one.erased_at else None,
        }
        for one in found
    ]
    print_result(settings, lines, {"command": "subject status", "subject": subject, "people": data})
    return ExitCode.NO if any(one.state is State.MISSING for one in found) else ExitCode.DONE


@subject.command("deactivate")
@common_options
@people_options
@yes_option
@click.pass_obj
def deactivate(
    settings: Settings, subject: str, keys: tuple[str, ...], file: TextIO | None, prefix: str | None, yes: bool
) -> None:
    """Make people inactive, all of them or nobody. `activate` takes it back."""
    _set(settings, "deactivate", subject, read_keys(keys, file), prefix, State.INACTIVE, yes=yes)


@subject.command("activate")
@common_options
@people_options
@yes_option
@click.pass_obj
def activate(
    settings: Settings, subject: str, keys: tuple[str, ...], file: TextIO | None, prefix: str | None, yes: bool
) -> None:
    """Make inactive people active again, all of them or nobody. Whoever is erased stays so."""
    _set(settings, "activate", subject, read_keys(keys, file), prefix, State.ACTIVE, yes=yes)


@subject.command("erase")
@common_options
@people_options
@yes_option
@missing_option
@click.option(
    "--request", "number", type=int, metavar="ID", help="Erase the people of this request; one is opened without."
)
@click.option("--reference", default="", metavar="R", help="An opaque reference for the request that is opened.")
@click.option("--dry-run", "only_count", is_flag=True, help="Only count, per table and strategy; change nothing.")
@click.option("--retry", is_flag=True, help="With --request: try again those who failed, after a new dry run.")
@click.option(
    "--batch",
    type=click.IntRange(1, LARGEST_BATCH),
    default=DEFAULT_BATCH,
    show_default=True,
    help="Erase at most so many people in one transaction.",
)
@click.pass_obj
def erase_people(
    settings: Settings,
    subject: str,
    keys: tuple[str, ...],
    file: TextIO | None,
    prefix: str | None,
    yes: bool,
    allow_missing: bool,
    number: int | None,
    reference: str,
    only_count: bool,
    retry: bool,
    batch: int,
) -> ExitCode:
    """Erase people for good: show what would be done, ask, do it in batches.

    Whatever stops it, the same command with --request goes on where it was. Exit code 1 where somebody could not be erased.
    """
    if number is not None and (keys or file is not None or reference or allow_missing):
        raise UsageError(
            "the request says who is to be erased", hint="leave out keys, --file, --reference, --allow-missing"
        )
    if number is None and retry:
        raise UsageError("only people of a request can have failed", hint="name it with --request ID")
    if retry and only_count:
        raise UsageError("a dry run changes nothing, not even who failed", hint="leave out --retry or --dry-run")
    people = read_keys(keys, file) if number is None else []
    with settings.open_database() as database:
        register = open_register(settings, database, prefix)
        if number is not None:
            _belongs(register, number, subject)
            if retry:
                retry_request(register, number)
        if only_count:
            with bar("counting") as step:
                planned = (
                    dry_run(register, number, progress=step)
                    if number is not None
                    else rehearse(register, subject, people, missing_too=allow_missing, progress=step)
                )
            return _print_dry_run(settings, planned, kept=number is not None)
        if number is None:
            opened = open_request(register, subject, people, reference=reference, missing_too=allow_missing)
            return _erase(settings, register, opened, batch=batch, yes=yes, opened=True)
        return _erase(settings, register, read_request(register, number), batch=batch, yes=yes, opened=False)


@subject.command("history")
@common_options
@people_options
@click.pass_obj
def history_of(
    settings: Settings, subject: str, keys: tuple[str, ...], file: TextIO | None, prefix: str | None
) -> ExitCode:
    """Show what the ledger knows about people. Exit code 1 where it knows nothing."""
    people = read_keys(keys, file)
    with settings.open_database() as database:
        events = history(open_register(settings, database, prefix), subject, people)
    lines = [
        f"{subject} {one.key}  {one.at:%Y-%m-%d %H:%M}  {one.what:<8}  request {one.request} ({one.kind.value}"
        f"{f', {one.reference}' if one.reference else ''}){f'  {one.detail}' if one.detail else ''}"
        for one in events
    ]
    data = [{**asdict(one), "at": one.at.isoformat(), "kind": one.kind.value} for one in events]
    print_result(
        settings, lines or ["nothing is known"], {"command": "subject history", "subject": subject, "events": data}
    )
    return ExitCode.DONE if events else ExitCode.NO


def _set(
    settings: Settings, command: str, subject: str, keys: Sequence[str], prefix: str | None, state: State, *, yes: bool
) -> None:
    with settings.open_database() as database:
        register = open_register(settings, database, prefix)
        now = status(register, subject, keys)
        if not yes:
            for one in now:
                progress(f"{subject} {one.key}  {one.state.value} -> {state.value}")
        confirm(f"{command} {counted(len(now), 'person')}?", yes=yes)
        changed = set_state(register, subject, keys, state)
    print_result(
        settings,
        [f"{command}: {changed} changed, {len(now) - changed} were {state.value} already"],
        {"command": f"subject {command}", "subject": subject, "people": len(now), "changed": changed},
    )


def _belongs(register: Register, number: int, subject: str) -> None:
    found = read_request(register, number)
    if found.subject != subject:
        raise UsageError(f"request {number} is about {found.subject}, not {subject}")


def _erase(
    settings: Settings, register: Register, request: Request, *, batch: int, yes: bool, opened: bool
) -> ExitCode:
    """Show, ask, do, and say what was done."""
    try:
        # Who was counted before is compared with that, and not with numbers that nobody saw.
        with bar("counting") as step:
            planned = dry_run(register, request.number, again=False, progress=step)
        if planned.request.pending:
            if not yes:
                for line in _plan_lines(planned):
                    progress(line)
            question = f"erase {counted(planned.request.pending, 'person')} of {request.subject} for good (request {request.number})?"
            confirm(question, yes=yes)
    except (Refused, click.Abort):
        if opened:
            close_request(register, request.number, outcome=Outcome.WITHDRAWN)
        raise
    try:
        with bar("erasing") as step:
            done = erase(register, request.number, batch=batch, progress=step)
    except (PgeraseError, KeyboardInterrupt):
        progress(
            f"request {request.number} is open: `subject erase {request.subject} --request {request.number}` resumes"
        )
        raise
    if opened and done.request.done == done.request.people:
        close_request(register, request.number)
    lines = [*count_lines(done.counts), *failure_lines(request.subject, done.failures, done.held)]
    lines.append(f"request {request.number}: {tally(done.request)}")
    if done.failures:
        release = "; `subject release` ends a hold" if done.held else ""
        progress(f"hint: settle what stands in the way, then --request {request.number} --retry{release}")
    print_result(settings, lines, _data(done, done.counts, only_count=False))
    return ExitCode.NO if done.failures else ExitCode.DONE


def _plan_lines(planned: DryRun) -> list[str]:
    subject = planned.request.subject
    return [
        *count_lines(planned.counts),
        *failure_lines(subject, planned.failures),
        *violation_lines(subject, planned.violations),
        *(f"{subject} {one.key}  {held_text(one)}: would not be erased" for one in planned.held),
    ]


def _print_dry_run(settings: Settings, planned: DryRun, *, kept: bool) -> ExitCode:
    what = f"request {planned.request.number}" if kept else "no request"
    stuck = len({one.key for one in (*planned.violations, *planned.held)})
    failing = f", {stuck} would fail" if stuck else ""
    lines = [
        *_plan_lines(planned),
        f"dry run, {what}: {counted(planned.request.pending - stuck, 'person')} would be erased{failing}; nothing was changed",
    ]
    data = _data(planned, planned.counts, only_count=True)
    data["violations"] = [asdict(one) for one in planned.violations]
    print_result(settings, lines, data if kept else data | {"request": None})
    return ExitCode.NO if planned.failures or planned.violations or planned.held else ExitCode.DONE


def _data(outcome: DryRun | Erasure, counts: Sequence[Count], *, only_count: bool) -> dict[str, object]:
    return {
        "command": "subject erase",
        "dry_run": only_count,
        "subject": outcome.request.subject,
        "people": outcome.request.people,
        "request": request_data(outcome.request),
        "counts": [asdict(count) for count in counts],
        "failures": [failure_data(failure) for failure in outcome.failures],
        "held": held_data(outcome.held),
    }
