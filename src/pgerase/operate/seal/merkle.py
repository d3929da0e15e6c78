"""Roots of a Merkle tree (RFC 6962) over the hashes of headers, for every size that is asked about, in one pass."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256(b"").digest()
"""The root of a tree without leaves."""


def roots(hashes: Sequence[bytes], sizes: Iterable[int]) -> dict[int, bytes]:
    """The roots of the trees over the first so many hashes; sizes there are not are left out."""
    wanted = set(sizes)
    found = {0: EMPTY} if 0 in wanted else {}
    # Whole subtrees from the left, the largest first: their sizes are the powers of two that the number of leaves is made of.
    whole: list[tuple[int, bytes]] = []
    for number, leaf in enumerate(hashes, 1):
        size, node = 1, leaf
        while whole and whole[-1][0] == size:
            _, left = whole.pop()
            size, node = size * 2, _node(left, node)
        whole.append((size, node))
        if number in wanted:
            found[number] = _joined(whole)
    return found


def _joined(whole: Sequence[tuple[int, bytes]]) -> bytes:
    node = whole[-1][1]
    for _, left in reversed(whole[:-1]):
        node = _node(left, node)
    return node


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
