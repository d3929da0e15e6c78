"""The keys that tokens are signed with: making, importing, rotating, retiring and listing them.

What is secret lives in three places only: masked in the database, in the answer that tells a new key once, and in a file that
one account may read. It travels to the server by COPY alone, which no log shows.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from pgerase.database import Database, identifier
from pgerase.errors import UsageError
from pgerase.install.borrow import acting_as, borrowed
from pgerase.operate.register import Register
from pgerase.tokens import SigningKey


class KeyState(StrEnum):
    """How a key stands. `VOID`: it was kept by the database that a dump was taken from, and does not work in this one."""

    VALID = "valid"
    ENDING = "ending"
    ENDED = "ended"
    RETIRED = "retired"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A signing key as the database knows it, without anything secret. `valid_until` None where no end is set."""

    key_id: str
    fingerprint: str
    created_at: datetime
    valid_until: datetime | None
    state: KeyState


def list_keys(database: Database, prefix: str) -> tuple[KnownKey, ...]:
    """Every key, the newest first. Raises Refused, DatabaseFailed."""
    with _as_secret(database, prefix) as register:
        rows = register.call("signing_keys")
    return tuple(
        KnownKey(row["key_id"], row["fingerprint"], row["created_at"], row["valid_until"], KeyState(row["state"]))
        for row in rows
    )


def add_key(database: Database, prefix: str, out: Path, *, overlap: timedelta | None = None) -> SigningKey:
    """Make a key and write it to a new file; those that are valid end after `overlap`, if one is given.

    There is no key without the file: where it cannot be written nothing is kept. Raises Refused where two keys are valid
    already, FileExistsError and OSError for the file, DatabaseFailed.
    """
    if overlap is not None and overlap < timedelta(0):
        raise UsageError("an overlap is not negative")
    written = False
    try:
        with _as_secret(database, prefix) as register:
            _make_room(register, overlap)
            key = _draw(register)
            key.write(out)
            written = True
    except BaseException:
        # What is in it is no key of the database.
        if written:
            out.unlink(missing_ok=True)
        raise
    return key


def import_key(database: Database, prefix: str, key: SigningKey) -> SigningKey:
    """Keep a key that another database made, or this one before it was restored; the same with the audience it has here.

    Raises Refused where two keys are valid already, or where one of this id is another or was retired; DatabaseFailed.
    """
    given = identifier("pg_temp", "pgerase_given_key")
    with _as_secret(database, prefix, also=f"create temporary table {given} (secret bytea) on commit drop") as register:
        database.copy(f"copy {given} from stdin", [[key.secret]])
        # The same key again is not one more.
        if all(row["key_id"] != key.key_id for row in register.call("signing_keys")):
            _make_room(register, None)
        keep = (
            f"select {identifier(register.names.internal, 'keep_signing_key')}(%s, given.secret) from {given} as given"
        )
        database.rows(keep, [key.key_id])
        return SigningKey(key.key_id, key.secret, _audience(register))


def retire_key(database: Database, prefix: str, key_id: str) -> None:
    """Make a key invalid at once. Raises Refused where there is none of this id that is not retired; DatabaseFailed."""
    with _as_secret(database, prefix) as register:
        register.call("retire_signing_key", key_id)


def draw_key(database: Database, prefix: str) -> SigningKey:
    """A key that lives no longer than the open transaction, which has to be rolled back. As the role that keeps the keys.

    Raises DatabaseFailed.
    """
    return _draw(Register(database, prefix))


def _draw(register: Register) -> SigningKey:
    row = register.call("draw_signing_key")[0]
    return SigningKey(row["key_id"], bytes(row["secret"]), _audience(register))


def _make_room(register: Register, overlap: timedelta | None) -> None:
    register.call("make_room_for_key", None if overlap is None else register.now + overlap)


def _audience(register: Register) -> str:
    return str(register.call("token_audience")[0]["token_audience"])


@contextmanager
def _as_secret(database: Database, prefix: str, *, also: str = "") -> Generator[Register]:
    """The register, in a transaction as the role that keeps the keys; `also` is done in it first, as that role too.

    Raises Refused where this version of pgerase is not installed, where the connecting role may not borrow that role's
    rights, and for whatever the routines refuse; DatabaseFailed without values.
    """
    register = Register(database, prefix)
    with (
        register.answering(),
        database.transaction(isolation="read committed"),
        borrowed(database, register.names.secret),
        acting_as(database, register.names.secret),
    ):
        if also:
            database.run(also)
        yield register
