"""`pgerase deliver`: posts what is announced about support access, once or for ever; run by systemd or cron."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from threading import Event
from typing import Any

import click

from pgerase.cli.lengths import length
from pgerase.cli.output import print_result, progress
from pgerase.cli.people import open_register, prefix_option
from pgerase.cli.settings import Settings, common_options
from pgerase.counts import counted
from pgerase.errors import ExitCode
from pgerase.operate import Attempt, Audience, Outbox, Register, deliver_due, outbox
from pgerase.operate.deliver import note_overdue, retry_refused, webhook_variable
from pgerase.webhook import Webhook

_EVERY = length("seconds", least=timedelta(seconds=0.1), most=timedelta(hours=1))


@click.command("deliver")
@common_options
@prefix_option
@click.option(
    "--once/--follow", default=True, help="Post what is due and end, which is the default, or go on for ever."
)
@click.option(
    "--every", callback=_EVERY, default="5s", show_default=True, metavar="LENGTH", help="How often --follow looks."
)
@click.option("--retry", is_flag=True, help="What was refused for good is due again first.")
@click.option(
    "--webhook-env",
    metavar="NAME",
    help="The environment variable with the webhook's address, instead of the one named in audit.yaml.",
)
@click.option(
    "--person-env",
    metavar="NAME",
    help="The environment variable with the address that messages to the person are posted to; without it they are not.",
)
@click.pass_obj
def deliver(
    settings: Settings,
    prefix: str | None,
    *,
    once: bool,
    every: timedelta,
    retry: bool,
    webhook_env: str | None,
    person_env: str | None,
) -> int:
    """Post what is announced about support access, and notice what expired or should have been reviewed.

    Addresses are read from environment variables. Exit code 1 where something was tried in vain and waits, or was refused for good,
    now or earlier.
    """
    with settings.open_database() as database:
        register = open_register(settings, database, prefix)
        webhooks = _webhooks(register, webhook_env, person_env)
        if retry:
            progress(f"{counted(retry_refused(register), 'refused message')} due again")
        noted = note_overdue(register)
        attempts = deliver_due(register, webhooks, tell=_tell)
        if not once:
            _follow(register, webhooks, every)
        left = outbox(register, tuple(webhooks))
    print_result(settings, _lines(attempts, left, webhooks), _data(attempts, left, noted))
    undelivered = any(not attempt.answer.accepted for attempt in attempts)
    return ExitCode.NO if undelivered or left.failing or left.refused else ExitCode.DONE


def _webhooks(register: Register, webhook_env: str | None, person_env: str | None) -> Mapping[Audience, Webhook]:
    names = {Audience.CHANNEL: webhook_env or webhook_variable(register), Audience.PERSON: person_env}
    return {audience: Webhook.read(name, os.environ) for audience, name in names.items() if name is not None}


def _follow(register: Register, webhooks: Mapping[Audience, Webhook], every: timedelta) -> None:
    """Look again and again, until interrupted."""
    never = Event()
    try:
        while not never.wait(every.total_seconds()):
            note_overdue(register)
            deliver_due(register, webhooks, tell=_tell)
    except KeyboardInterrupt:
        # What is on its way is due again later.
        return


def _tell(attempt: Attempt) -> None:
    progress(f"{attempt.message.number} {attempt.message.audience.value} {attempt.message.event}: {_outcome(attempt)}")


def _outcome(attempt: Attempt) -> str:
    answer = attempt.answer
    said = f"HTTP {answer.status}" if answer.failure is None else answer.failure.value
    if answer.accepted:
        return "delivered"
    return f"refused for good ({said})" if answer.final else f"will be tried again ({said})"


def _lines(attempts: tuple[Attempt, ...], left: Outbox, webhooks: Mapping[Audience, Webhook]) -> list[str]:
    if not webhooks:
        return ["nothing is posted: neither audit.yaml nor an option names a webhook"]
    counts = Counter(attempt.answer.accepted for attempt in attempts)
    lines = [f"{counts[True]} delivered, {counts[False]} not, {left.waiting} waiting, {left.refused} refused for good"]
    if left.failing_since is not None:
        lines.append(
            f"{left.failing} of those that wait {'was' if left.failing == 1 else 'were'} tried in vain,"
            f" the oldest is of {left.failing_since:%Y-%m-%d %H:%M %Z}"
        )
    if left.refused:
        lines.append("refused ones stay until `pgerase deliver --retry`, once the webhook is put right")
    return lines


def _data(attempts: tuple[Attempt, ...], left: Outbox, noted: int) -> dict[str, Any]:
    return {
        "command": "deliver",
        "noted": noted,
        "attempts": [
            {
                "message": str(attempt.message.number),
                "to": attempt.message.audience.value,
                "event": attempt.message.event,
                "attempt": attempt.message.attempt,
                "delivered": attempt.answer.accepted,
                "final": attempt.answer.accepted or attempt.answer.final,
                "status": attempt.answer.status,
                "failure": attempt.answer.failure,
            }
            for attempt in attempts
        ],
        "waiting": left.waiting,
        "failing": left.failing,
        "failing_since": left.failing_since.isoformat() if left.failing_since is not None else None,
        "refused": left.refused,
        "oldest": left.oldest.isoformat() if left.oldest is not None else None,
    }
