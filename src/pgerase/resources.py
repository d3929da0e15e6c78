"""Finds the files that travel with the package: `sql/`, `templates/`, `policies/` and `tools/`, in a checkout as in a wheel.

It only reads; nothing here knows what the files mean.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from pgerase.errors import InternalError

_PACKAGE = Path(__file__).resolve().parent


@cache
def folder(name: str) -> Path:
    """The folder `sql`, `templates`, `policies` or `tools`: inside the package in a wheel, beside `src` in a checkout.

    Raises InternalError where it is missing.
    """
    checkout = _PACKAGE.parents[1]
    # The build file tells a checkout from whatever else may lie two folders above an installed package.
    root = checkout if (checkout / "pyproject.toml").is_file() else _PACKAGE
    path = root / name
    if not path.is_dir():
        raise InternalError(f"the folder {name} is missing from this installation of pgerase", hint="install it again")
    return path


@cache
def read_text(*parts: str) -> str:
    """The text of one such file, e.g. `read_text("sql", "catalog", "tables.sql")`. Raises InternalError if missing."""
    path = folder(parts[0]).joinpath(*parts[1:])
    if not path.is_file():
        raise InternalError(f"{'/'.join(parts)} is missing from this installation of pgerase", hint="install it again")
    return path.read_text(encoding="utf-8")
