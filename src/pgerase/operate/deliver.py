"""Posts what stands in the outbox: one message after the other, each taken and settled in a transaction of its own.

Nothing is locked and no transaction is open while a message is on its way, so a webhook that hangs blocks nobody. Whoever is
killed on the way loses nothing: what was taken is due again after a while, and is posted once more under the same number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from pgerase.database import Row
from pgerase.operate.register import Register
from pgerase.webhook import Answer, Webhook

LEASE = timedelta(minutes=5)
"""How long a message is somebody's to post, once taken: longer than posting can take."""


class Audience(StrEnum):
    """Who is told: the team's channel, or the person whose data it is."""

    CHANNEL = "channel"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Message:
    """One message, taken for posting. `subject` and `key` are the person it is about; None where the person is erased."""

    number: UUID
    attempt: int
    audience: Audience
    event: str
    subject: str | None
    key: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of posting a message once."""

    message: Message
    answer: Answer


@dataclass(frozen=True, slots=True)
class Outbox:
    """What is left in the outbox: `waiting` to be posted, now or later, and `refused` for good; the oldest of both.

    `failing` of those that wait were tried in vain, the oldest of them since `failing_since`.
    """

    waiting: int
    refused: int
    oldest: datetime | None
    failing: int
    failing_since: datetime | None


def webhook_variable(register: Register) -> str | None:
    """The environment variable that audit.yaml names for the channel's webhook, as it was applied. Raises DatabaseFailed."""
    return register.call("announcing")[0]["webhook_env"]


def note_overdue(register: Register) -> int:
    """Announce access that expired and reviews that are overdue, each once; how many were new. Raises DatabaseFailed."""
    with register.answering():
        return int(register.call("note_overdue")[0]["note_overdue"])


def retry_refused(register: Register) -> int:
    """Make messages that were refused for good due again; how many. Raises DatabaseFailed."""
    with register.answering():
        return int(register.call("retry_messages")[0]["retry_messages"])


def deliver_due(
    register: Register, webhooks: Mapping[Audience, Webhook], *, tell: Callable[[Attempt], None] | None = None
) -> tuple[Attempt, ...]:
    """Post everything that is due to these audiences, the longest due first, each message once.

    `tell` is called after every attempt. What is not accepted is due again later, or kept as refused. Raises DatabaseFailed.
    """
    made: list[Attempt] = []
    while (message := take(register, tuple(webhooks))) is not None:
        attempt = Attempt(message, webhooks[message.audience].post(body(message), key=str(message.number)))
        settle(register, attempt)
        made.append(attempt)
        if tell is not None:
            tell(attempt)
    return tuple(made)


def take(register: Register, audiences: tuple[Audience, ...]) -> Message | None:
    """Take a message that is due, so that nobody else posts it for a while; None where there is none. Raises DatabaseFailed."""
    with register.answering():
        rows = register.call("take_message", [audience.value for audience in audiences], LEASE)
    return _message(rows[0]) if rows else None


def settle(register: Register, attempt: Attempt) -> None:
    """Keep what became of an attempt. Raises DatabaseFailed."""
    message, answer = attempt.message, attempt.answer
    wait = None if answer.retry_after is None else timedelta(seconds=min(answer.retry_after, 86_400.0))
    with register.answering():
        register.call(
            "settle_message",
            message.number,
            message.attempt,
            answer.status,
            answer.failure.value if answer.failure is not None else None,
            answer.final,
            wait,
        )


def outbox(register: Register, audiences: tuple[Audience, ...] = tuple(Audience)) -> Outbox:
    """What is left for these audiences. Raises DatabaseFailed."""
    row = register.rows("outbox", kinds=[audience.value for audience in audiences])[0]
    return Outbox(row["waiting"], row["refused"], row["oldest"], row["failing"], row["failing_since"])


def body(message: Message) -> dict[str, Any]:
    """What is posted: for the channel Slack's format of incoming webhooks, for the person who it is and what to say."""
    if message.audience is Audience.CHANNEL:
        return {"text": _escaped(message.text)}
    return {"event": message.event, "subject": message.subject, "key": message.key, "message": message.text}


def _escaped(text: str) -> str:
    """Text in which Slack finds no mention, no link and no command."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _message(row: Row) -> Message:
    return Message(
        number=row["message"],
        attempt=row["attempt"],
        audience=Audience(row["kind"]),
        event=row["event"],
        subject=row["subject"],
        key=row["person"],
        text=row["said"],
    )
