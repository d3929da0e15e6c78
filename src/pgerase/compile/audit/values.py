"""How the value of a captured column is written and compared, so that no code of others runs while it is.

Capture has the keeper's rights. A cast, an operator or a type's own comparison may be anybody's; the output functions of types are
superusers' or the server's, and the comparison of record images calls nothing at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pgerase.catalog.model import Column
from pgerase.compile.sql import ident
from pgerase.compile.types import type_of

MASKED = "'(masked)'::text"
_FIRST_USER_TYPE = 16384
"""The server's own types have lower object identifiers, forever (FirstNormalObjectId)."""
_CHUNKS_SINCE = 170000
"""Since this version a value that lies apart from its row tells where, without being read."""
_FIXED = frozenset(
    {
        "smallint",
        "integer",
        "bigint",
        "oid",
        "boolean",
        "uuid",
        "date",
        "time without time zone",
        "timestamp without time zone",
        "timestamp with time zone",
    }
)
"""Types of a fixed length, whose values never lie apart from their row."""
_LOSSY = frozenset({"json"})
"""Types of the server's own that jsonb cannot hold whole: not every json text is one."""
_SETTINGS = {
    "timestamp with time zone": ("timezone",),
    "time with time zone": ("timezone",),
    "interval": ("intervalstyle",),
    "real": ("extra_float_digits",),
    "double precision": ("extra_float_digits",),
    "bytea": ("bytea_output",),
}
_ANY = ("timezone", "datestyle", "intervalstyle", "extra_float_digits", "bytea_output")


def is_own(column: Column) -> bool:
    """Whether to_jsonb does with a column what the server's own code does, through domains and arrays."""
    base, element = column.base_type, column.element_type
    plain = "." not in base and "." not in (element or "")
    return (
        plain
        and column.type_kind in ("b", "r", "m")
        and len(column.domains) <= 1
        and (element or base) not in _LOSSY
        and not (element is not None and column.domains)
    )


def value(column: Column, source: str) -> str:
    """A column's value as an expression whose row goes into to_jsonb: as it is, or as text."""
    if is_own(column):
        return source
    missing = "is not distinct from null" if column.type_kind == "c" else "is null"
    return f"case when {source} {missing} then null else format('%s', {source}) end"


def text(source: str) -> str:
    """A value as its type prints it.

    Not by a cast: whoever owns the table may change the type and bring one along, which the planner evaluates before there is a row.
    """
    return f"case when {source} is not null then format('%s', {source}) end"


def key_text(sources: Sequence[str]) -> str:
    """A person's key as requests spell it: its text, or a JSON array of texts; null where a part of it is."""
    texts = [text(source) for source in sources]
    if len(texts) == 1:
        return texts[0]
    missing = " or ".join(f"{source} is null" for source in sources)
    return f"case when {missing} then null else jsonb_build_array({', '.join(texts)})::text end"


def same(column: Column, server_version: int) -> str:
    """Whether a column of the rows `o` and `n` is the same in both, to the byte, whatever type it has by then."""
    old, new = f"o.{ident(column.name)}", f"n.{ident(column.name)}"
    compared = f"record_image_eq(row({old}), row({new}))"
    if server_version < _CHUNKS_SINCE or column.base_type in _FIXED:
        return compared
    # A value that lies apart from its row and has not changed lies where it lay: it is not read again.
    return f"coalesce(pg_column_toast_chunk_id({old}) = pg_column_toast_chunk_id({new}), false)\n    or {compared}"


def known_types(columns: Iterable[Column], row: str, type_of: str) -> str | None:
    """Whether columns still have types of the server's own, as they had when this was compiled; None where none had.

    A table's owner may change them afterwards, and bring a cast along. `type_of` is the function that tells a type's number. A
    CASE that is never true has no value, and the column's type, of a domain the one below it: so it is answered when the
    statement is planned, which is anew once the table has changed.
    """
    own = [f"{type_of}(case when false then {row}.{ident(column.name)} end)" for column in columns if is_own(column)]
    if not own:
        return None
    largest = own[0] if len(own) == 1 else "greatest(\n    " + ",\n    ".join(own) + "\n)"
    return f"{largest} < {_FIRST_USER_TYPE}"


def settings(columns: Iterable[Column]) -> tuple[str, ...]:
    """The settings that the output of these columns depends on: a writer may have changed them."""
    needed = {name for column in columns for name in _settings(column)}
    return tuple(name for name in _ANY if name in needed)


def _settings(column: Column) -> tuple[str, ...]:
    base = column.element_type or column.base_type
    if base in _SETTINGS:
        return _SETTINGS[base]
    plain = "." not in column.base_type and "." not in base and column.type_kind == "b"
    return () if plain or column.type_kind == "e" or type_of(column).is_citext else _ANY
