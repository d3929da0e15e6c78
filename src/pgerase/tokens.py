"""Signing tokens for `identity: token`: JWTs (RFC 7519) with HS256 and a key id, from a key file that is a JWK (RFC 7517).

Nothing here talks to a database: it is for the service that knows who somebody is. The database checks what it is given.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeAlias
from uuid import UUID

from pgerase.errors import UsageError

Key: TypeAlias = str | int | UUID
"""The key of a person in the viewers table."""

SHORTEST, LONGEST = 32, 64
"""Bytes of a signing key: no fewer than the hash has (RFC 7518), no more than HMAC takes as they are."""

DEFAULT_LIFETIME = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key to sign with: its id in the database, the secret, and the audience, which is the installation it is for.

    Raises UsageError for a secret of another length.
    """

    key_id: str
    secret: bytes = field(repr=False)
    audience: str

    def __post_init__(self) -> None:
        if not SHORTEST <= len(self.secret) <= LONGEST:
            raise UsageError(f"a signing key has {SHORTEST} to {LONGEST} bytes, not {len(self.secret)}")

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a key file. Raises UsageError for anything else, without showing what it holds; OSError."""
        try:
            found: dict[str, Any] = dict(json.loads(Path(path).read_bytes()))
            kind, key_id, audience = (found["kty"], found["alg"]), found["kid"], found["aud"]
            secret = _decoded(found["k"])
        except (ValueError, KeyError, TypeError):
            kind, key_id, audience, secret = ("", ""), "", "", b""
        if kind != ("oct", "HS256") or not all(isinstance(name, str) and name for name in (key_id, audience)):
            # Outside of the handler: the error there may show what the file holds.
            raise UsageError(f"{path} is not a key file", hint="`pgerase key add` writes one")
        return cls(key_id, secret, audience)

    def write(self, path: str | Path) -> None:
        """Write a key file that only the current account may read. Raises FileExistsError, OSError."""
        text = json.dumps(
            {"kty": "oct", "alg": "HS256", "kid": self.key_id, "k": _encoded(self.secret), "aud": self.audience},
            indent=2,
        )
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")


def sign_token(
    key: SigningKey, viewer: Key, *, lifetime: timedelta = DEFAULT_LIFETIME, now: datetime | None = None
) -> str:
    """A token that says: until its end, whoever brings this is `viewer`. Raises UsageError for a viewer or lifetime that is none.

    It is good for as many transactions as begin in its lifetime, wherever the key is valid: keep it short, and keep it
    secret as long. `now` is the current time by default.
    """
    begin = datetime.now(UTC) if now is None else now
    if begin.tzinfo is None:
        raise UsageError("the time of a token needs a time zone")
    if lifetime <= timedelta(0):
        raise UsageError("a token needs a lifetime")
    text = viewer_text(viewer)
    end = int((begin + lifetime).timestamp())
    header = {"alg": "HS256", "typ": "JWT", "kid": key.key_id}
    claims = {"sub": text, "aud": key.audience, "exp": end}
    signed = f"{_part(header)}.{_part(claims)}"
    return f"{signed}.{_encoded(hmac.new(key.secret, signed.encode(), hashlib.sha256).digest())}"


def viewer_text(viewer: Key) -> str:
    """A viewer's key as text. Raises UsageError for anything that cannot be one."""
    if isinstance(viewer, bool) or not isinstance(viewer, (str, int, UUID)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"a viewer's key is text, a whole number or a UUID, not {type(viewer).__name__}")
    text = str(viewer)
    if not text:
        raise UsageError("an empty viewer's key", hint="without a viewer, do not use as_viewer at all")
    return text


def _part(value: dict[str, Any]) -> str:
    return _encoded(json.dumps(value, separators=(",", ":")).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(text: object) -> bytes:
    """Raises ValueError for what is no base64url."""
    if not isinstance(text, str) or "=" in text:
        raise ValueError
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError from error
