"""The only values a template may print: identifiers, literals and finished expressions, each quoted when it is made.

They are not strings on purpose: joining, concatenating or filtering one yields a `str`, and the environment refuses
those. Nothing here looks anything up or decides what to say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pgerase.catalog.quoting import KEYWORDS, quote_identifier
from pgerase.errors import InternalError

__all__ = [
    "KEYWORDS",
    "LONGEST_NAME",
    "Expr",
    "Fragment",
    "Ident",
    "Idents",
    "Literal",
    "identifiers",
    "quote_identifier",
    "quote_literal",
]

LONGEST_NAME = 63
"""Bytes of the longest identifier; PostgreSQL cuts longer ones silently, so that two names could become one."""


@dataclass(frozen=True, slots=True)
class Ident:
    """A dotted identifier. Parts are plain names; each is quoted where PostgreSQL would need it.

    Raises InternalError for an empty part, one with a NUL, or one longer than PostgreSQL keeps.
    """

    parts: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise InternalError("an identifier without a name")
        for part in self.parts:
            if not part or "\0" in part:
                raise InternalError(f"not an identifier: {part!r}")
            if len(part.encode()) > LONGEST_NAME:
                raise InternalError(f"identifier longer than {LONGEST_NAME} bytes: {part!r}")

    def __str__(self) -> str:
        return ".".join(quote_identifier(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Idents:
    """Identifiers in a row, separated by commas. Raises InternalError when empty: no SQL list may be."""

    items: tuple[Ident, ...]

    def __post_init__(self) -> None:
        if not self.items:
            raise InternalError("an empty list of identifiers")

    def __str__(self) -> str:
        return ", ".join(str(item) for item in self.items)


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. Text is spelt so that it means the same whatever standard_conforming_strings says.

    Raises InternalError for text with a NUL, which PostgreSQL cannot hold.
    """

    value: str | int | bool | None

    def __post_init__(self) -> None:
        if isinstance(self.value, str) and "\0" in self.value:
            raise InternalError("text with a NUL character cannot be a literal")

    def __str__(self) -> str:
        if self.value is None:
            return "null"
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, int):
            return str(self.value)
        return quote_literal(self.value)


@dataclass(frozen=True, slots=True)
class Expr:
    """Finished SQL made by the compiler or deparsed by the server: an expression, a query, a whole definition."""

    sql: str

    def __post_init__(self) -> None:
        if not self.sql.strip() or "\0" in self.sql:
            raise InternalError("an empty expression")

    def __str__(self) -> str:
        return self.sql


Fragment: TypeAlias = Ident | Idents | Literal | Expr


def identifiers(names: Iterable[str | Ident]) -> Idents:
    """A comma-separated list of simple names, in the order given. Raises InternalError when empty."""
    return Idents(tuple(name if isinstance(name, Ident) else Ident((name,)) for name in names))


def quote_literal(text: str) -> str:
    """The text as a string constant, with E'' where it holds a backslash: as the server's quote_literal, unpadded."""
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted
