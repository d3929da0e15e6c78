"""Behind pgbouncer in transaction mode: fifty clients, seven connections to the server, and nobody sees another's rows."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import psycopg
import pytest

import pgerase
from pgerase.tokens import sign_token
from tests.identity import fix_pooler
from tests.identity.conftest import CLAIM, PUBLIC, Notes, own, person
from tests.identity.fix_pooler import POOL, pooled

CLIENTS = 50
JSON = "request.jwt.claims"


class Abandoned(Exception):
    """A client gives up in the middle."""


@dataclass
class Seen:
    """What came of all clients: how many transactions of each, on which connections to the server, and what was wrong."""

    transactions: Counter[int] = field(default_factory=Counter)
    backends: dict[int, set[int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def as_person(notes: Notes, connection: psycopg.AsyncConnection, number: int) -> AbstractAsyncContextManager[None]:
    match notes.kind:
        case "token":
            return pgerase.as_viewer(connection, token=sign_token(notes.key, person(number)), prefix=notes.prefix)
        case "claims":
            return pgerase.as_viewer(connection, claims={CLAIM: person(number)})
        case _:
            return pgerase.as_viewer(connection, person(number), prefix=notes.prefix)


async def rows(connection: psycopg.AsyncConnection) -> set[int]:
    cursor = await connection.execute("select id from notes.note")
    return {row[0] for row in await cursor.fetchall()}


async def turn(
    notes: Notes, connection: psycopg.AsyncConnection, client: int, draw: random.Random, seen: Seen, *, careless: bool
) -> None:
    """One transaction: of the client's own person mostly, of nobody now and then; some give up.

    Where they are `careless`, some keep what says who they are for the session.
    """
    setting = JSON if notes.kind == "claims" else f"{notes.prefix}.viewer"
    # Persons 6 to 55 see their own notes alone; each client is one of them.
    number = client + 6
    if draw.random() < 0.3:
        # What another left over is presented, and is nobody's: then there is nothing to see.
        async with connection.transaction():
            found = await rows(connection)
        if found not in ([PUBLIC, set()] if careless else [PUBLIC]):
            seen.wrong.append(f"client {client} saw {sorted(found)[:12]} as nobody")
        return
    async with as_person(notes, connection, number):
        cursor = await connection.execute("select pg_backend_pid()")
        seen.backends.setdefault((await cursor.fetchone() or (0,))[0], set()).add(client)
        for _ in range(draw.randint(1, 3)):
            found = await rows(connection)
            if found != own(number):
                seen.wrong.append(f"client {client} saw {sorted(found ^ own(number))[:12]} wrongly")
        if draw.random() < 0.2:
            async with as_person(notes, connection, 1 + draw.randrange(3)), connection.transaction(force_rollback=True):
                await rows(connection)
        if draw.random() < 0.1 and careless:
            await connection.execute("select set_config(%s, current_setting(%s), false)", [setting, setting])
        if draw.random() < 0.1:
            if draw.random() < 0.2:
                connection.pgconn.finish()  # gone without a word
            raise Abandoned
        if await rows(connection) != own(number):
            seen.wrong.append(f"client {client} saw something else at the end")


async def client(notes: Notes, dsn: str, number: int, until: float, seen: Seen, *, careless: bool) -> None:
    draw = random.Random(f"{notes.kind} {number}")
    connection = await connect(dsn)
    try:
        while time.monotonic() < until:
            try:
                await turn(notes, connection, number, draw, seen, careless=careless)
            except Abandoned:
                if connection.closed:
                    connection = await connect(dsn)
            seen.transactions[number] += 1
    finally:
        await connection.close()


async def connect(dsn: str) -> psycopg.AsyncConnection:
    # This pgbouncer knows no prepared statements in transaction mode.
    return await psycopg.AsyncConnection.connect(dsn, autocommit=True, prepare_threshold=None)


async def all_clients(notes: Notes, dsn: str, seconds: float, *, careless: bool) -> Seen:
    seen = Seen()
    until = time.monotonic() + seconds
    await asyncio.gather(*(client(notes, dsn, number, until, seen, careless=careless) for number in range(CLIENTS)))
    return seen


@pytest.mark.parametrize(
    "seconds", [pytest.param(4, id="short"), pytest.param(60, id="minute", marks=pytest.mark.long)]
)
def test_fifty_clients_behind_a_pooler_never_see_anothers_rows(notes, seconds):
    """P: everybody sees his own notes and nobody else's, whoever had the connection before."""
    with pooled(notes.database.dsn(notes.roles["anon"])) as dsn:
        # A stamp and a proof end with their transaction, whatever a client does; claims have nothing of the kind.
        seen = asyncio.run(all_clients(notes, dsn, seconds, careless=notes.kind != "claims"))
    assert seen.wrong == []
    # They did take turns: everybody ran, and every connection served many.
    assert len(seen.transactions) == CLIENTS
    assert max(len(clients) for clients in seen.backends.values()) > CLIENTS // POOL


def test_claims_that_are_kept_for_the_session_are_the_next_ones_identity(claims):
    """Why they have to be set for the transaction (docs/identity.md); and the test above would notice."""
    with pooled(claims.database.dsn(claims.roles["anon"])) as dsn:
        seen = asyncio.run(all_clients(claims, dsn, 2, careless=True))
    assert any("as nobody" in wrong for wrong in seen.wrong)


@pytest.mark.parametrize(("in_ci", "outcome"), [(True, pytest.fail.Exception), (False, pytest.skip.Exception)])
def test_a_missing_pooler_is_a_failure_in_ci_and_a_reason_elsewhere(monkeypatch, in_ci, outcome):
    monkeypatch.setattr(fix_pooler, "IN_CI", in_ci)
    monkeypatch.setattr(fix_pooler.shutil, "which", lambda *_, **__: None)
    with pytest.raises(outcome, match="pgbouncer is not installed"):
        fix_pooler.pgbouncer_program()
