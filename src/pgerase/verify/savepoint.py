"""Does something and takes it back: rows changed, locks taken, roles granted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pgerase.database import Database

_Result = TypeVar("_Result")


class _TakenBack(Exception):
    """Ends the savepoint."""


def taken_back(database: Database, work: Callable[[], _Result]) -> _Result:
    """What `work` returns; whatever it did to the database is undone. Inside a transaction. Raises what `work` raises."""
    results: list[_Result] = []
    try:
        with database.transaction():
            results.append(work())
            raise _TakenBack  # noqa: TRY301 - the only way to end a savepoint without keeping it
    except _TakenBack:
        return results[0]
