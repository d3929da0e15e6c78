"""Finds the files that travel with the package: `sql/`, `templates/` and `policies/`, in a checkout as in a wheel.

It only reads; nothing here knows what the files mean.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pgerase.errors import InternalError

_PACKAGE = Path(__file__).resolve().parent


@cache
def read_text(*parts: str) -> str:
    """The text of a file that travels with the package, e.g. `read_text("sql", "catalog", "tables.sql")`.

    In a wheel the folders lie inside the package, in a checkout beside `src`. Raises InternalError where it is missing.
    """
    for root in (_PACKAGE, _PACKAGE.parents[1]):
        path = root.joinpath(*parts)
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise InternalError(f"{'/'.join(parts)} is missing from this installation of pgerase")
