"""The only values a template may print: identifiers, literals and finished expressions, each quoted when it is made.

They are not strings on purpose: joining, concatenating or filtering one yields a `str`, and the environment refuses
those. Nothing here looks anything up or decides what to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pgerase.errors import InternalError

LONGEST_NAME = 63
"""Bytes of the longest identifier; PostgreSQL cuts longer ones silently, so that two names could become one."""

_BARE = re.compile(r"[a-z_][a-z0-9_]*\Z")


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


def quote_identifier(name: str) -> str:
    """The name as SQL wants it, quoted only where it must be: as the server's quote_ident, for every version's keywords."""
    if _BARE.match(name) and name not in KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """The text as a string constant, with E'' where it holds a backslash: as the server's quote_literal, unpadded."""
    quoted = "'" + text.replace("'", "''") + "'"
    return "E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted


KEYWORDS = frozenset(
    # Every word that is not plainly usable as a name in PostgreSQL 15 to 18 (pg_get_keywords, catcode other than U).
    """
    all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast
    char character check coalesce collate collation column concurrently constraint create cross current_catalog
    current_date current_role current_schema current_time current_timestamp current_user dec decimal default
    deferrable desc distinct do else end except exists extract false fetch float for foreign freeze from full grant
    greatest group grouping having ilike in initially inner inout int integer intersect interval into is isnull join
    json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize
    json_table json_value lateral leading least left like limit localtime localtimestamp merge_action national natural
    nchar none normalize not notnull null nullif numeric offset on only or order out outer overlaps overlay placing
    position precision primary real references returning right row select session_user setof similar smallint some
    substring symmetric system_user table tablesample then time timestamp to trailing treat trim true union unique
    user using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists
    xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
    """.split()  # noqa: SIM905 - a hundred and fifty quotation marks say no more
)
