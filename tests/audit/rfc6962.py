"""RFC 6962 and 9162 written from their definitions, recursive and slow: what the database and the verifier are compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence


def leaf(data: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """MTH of a list of leaf hashes (RFC 6962, 2.1)."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = split(len(hashes))
    return hashlib.sha256(b"\x01" + root(hashes[:k]) + root(hashes[k:])).digest()


def split(size: int) -> int:
    """The largest power of two smaller than `size`."""
    k = 1
    while k * 2 < size:
        k *= 2
    return k


def path(place: int, hashes: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n]) (RFC 6962, 2.1.1)."""
    if len(hashes) <= 1:
        return []
    k = split(len(hashes))
    if place < k:
        return [*path(place, hashes[:k]), root(hashes[k:])]
    return [*path(place - k, hashes[k:]), root(hashes[:k])]


def proof(size: int, hashes: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """PROOF(m, D[n]) (RFC 6962, 2.1.2)."""
    if size == len(hashes):
        return [] if whole else [root(hashes)]
    k = split(len(hashes))
    if size <= k:
        return [*proof(size, hashes[:k], whole=whole), root(hashes[k:])]
    return [*proof(size - k, hashes[k:], whole=False), root(hashes[:k])]
