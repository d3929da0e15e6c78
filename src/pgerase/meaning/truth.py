"""SQL's three truth values: True, False, and None for unknown (docs/meaning.md, Truth). Nothing else lives here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

Truth: TypeAlias = bool | None
"""None is unknown. Only True grants."""


def and3(truths: Iterable[Truth]) -> Truth:
    """SQL's AND over any number of truths: false wins over unknown; of nothing, true. Stops at the first false."""
    result: Truth = True
    for truth in truths:
        if truth is False:
            return False
        if truth is None:
            result = None
    return result


def or3(truths: Iterable[Truth]) -> Truth:
    """SQL's OR over any number of truths: true wins over unknown; of nothing, false. Stops at the first true."""
    result: Truth = False
    for truth in truths:
        if truth is True:
            return True
        if truth is None:
            result = None
    return result


def not3(truth: Truth) -> Truth:
    """SQL's NOT: unknown stays unknown (point 5)."""
    return None if truth is None else not truth
