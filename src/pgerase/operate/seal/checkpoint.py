"""Checkpoints: a signed statement of how many headers a log has, and of the root of the tree over them.

The text is a C2SP tlog-checkpoint: origin, size, root in Base64, and a line with the time. What it says is read from the text
that was signed, never from beside it.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from pgerase.operate.seal.keys import SealKey

_TEXT = re.compile(
    r"(?P<origin>pgerase/[0-9a-f]{32})\n(?P<size>0|[1-9][0-9]{0,17})\n(?P<root>[A-Za-z0-9+/]{43}=)\n"
    r"at (?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)\n\Z"
)
_AT = "%Y-%m-%dT%H:%M:%S.%fZ"


def origin_of(first_header: bytes) -> str:
    """The name of a log: made of the hash of its first header, so that no two logs have the same."""
    return f"pgerase/{first_header.hex()[:32]}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One signed statement. Whether the signature is good is for who has the public key."""

    text: str
    key_id: str
    signature: bytes
    origin: str
    size: int
    root: bytes
    at: datetime

    @classmethod
    def sign(cls, key: SealKey, *, origin: str, size: int, root: bytes, at: datetime) -> Self:
        """State and sign."""
        text = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\nat {at.astimezone(UTC).strftime(_AT)}\n"
        return cls(text, key.public.key_id, key.sign(text), origin, size, root, at.astimezone(UTC))

    @classmethod
    def read(cls, text: str, key_id: str, signature: bytes) -> Self | None:
        """What a text states; None where it is no checkpoint."""
        match = _TEXT.match(text)
        if match is None:
            return None
        try:
            at = datetime.strptime(match["at"], _AT).replace(tzinfo=UTC)
        except ValueError:
            return None
        root = base64.b64decode(match["root"])
        return cls(text, key_id, signature, match["origin"], int(match["size"]), root, at)

    @classmethod
    def from_line(cls, line: str) -> Self | None:
        """Read what `line` writes; None where it is no checkpoint."""
        try:
            found: Any = json.loads(line)
            text, key_id = found["checkpoint"], found["key_id"]
            signature = base64.b64decode(found["signature"], validate=True)
        except (ValueError, KeyError, TypeError, binascii.Error):
            return None
        return cls.read(text, key_id, signature) if isinstance(text, str) and isinstance(key_id, str) else None

    def line(self) -> str:
        """As one line of JSON, without a newline: what anchors are."""
        signature = base64.b64encode(self.signature).decode()
        return json.dumps({"checkpoint": self.text, "key_id": self.key_id, "signature": signature})
