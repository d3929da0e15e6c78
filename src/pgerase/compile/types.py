"""What pgerase knows about column types: which compare with which, and how a literal of the rule file is written for one.

Types are the catalog's base types (domains resolved, no modifier), spelled as format_type does under an empty search_path.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from pgerase.catalog.model import Column
from pgerase.compile.sql import text_literal
from pgerase.rules.conditions import Scalar

INTEGERS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
_NUMBERS = {*INTEGERS, "numeric", "real", "double precision"}
_STRINGS = {"text", "character varying", "character", "name"}
_UNBOUNDED = {"text", "character varying"}
TIMESTAMPTZ = "timestamp with time zone"
TIMESTAMP = "timestamp without time zone"
DATE = "date"
_TIMES = {TIMESTAMPTZ, TIMESTAMP, DATE}
WITHOUT_EQUALITY = {"json", "xml", "point", "line", "lseg", "box", "path", "polygon", "circle"}
"""Types of which PostgreSQL does not know when two values are the same, so that it neither groups by them nor finds different ones."""
_INTEGER_TEXT = re.compile(r"-?[0-9]{1,19}\Z")


@dataclass(frozen=True, slots=True)
class ValueType:
    """The type of a value in a condition: an element's base type, whether there are many, and how text collates."""

    base: str
    many: bool = False
    enum: bool = False
    collation_is_c: bool = True
    collation_deterministic: bool = True

    @property
    def family(self) -> str:
        """Values compare with each other where families are equal; timestamps with and without zone do not."""
        if self.base in _NUMBERS:
            return "number"
        if self.base in _STRINGS:
            return "text"
        # A date compares with a timestamp as its midnight; with a zone it would depend on the session's.
        return DATE if self.base == TIMESTAMP else self.base

    @property
    def is_text(self) -> bool:
        """Whether substring operators make sense."""
        return self.base in _STRINGS or self.is_citext

    @property
    def is_citext(self) -> bool:
        """Whether this is the citext extension's type, in whatever schema it lives."""
        return self.base == "citext" or self.base.endswith(".citext")

    @property
    def is_ordered(self) -> bool:
        """Whether lt … between are defined by the rule language for it."""
        return (
            self.base in _NUMBERS or self.base in _TIMES or self.base == "uuid" or (self.is_text and not self.is_citext)
        )

    def holds_all_of(self, other: ValueType) -> bool:
        """Whether every value of the other type is one of this type, unchanged, so that arrays of both may be overlapped."""
        if self.base == other.base:
            return True
        if self.base in INTEGERS and other.base in INTEGERS:
            return INTEGERS[self.base] >= INTEGERS[other.base]
        return self.base in _UNBOUNDED and other.base in _UNBOUNDED

    @property
    def is_time(self) -> bool:
        """Whether `{ago: …}` can be compared with it."""
        return self.base in _TIMES

    def one(self) -> ValueType:
        """The element's type."""
        return ValueType(self.base, False, self.enum, self.collation_is_c, self.collation_deterministic)

    def operator(self, sign: str) -> str:
        """The operator, schema-qualified where it does not live in pg_catalog (citext under an empty search_path)."""
        if not self.is_citext or "." not in self.base:
            return sign
        return f"operator({self.base.rsplit('.', 1)[0]}.{sign})"


def type_of(column: Column) -> ValueType:
    """The value type of a column."""
    many = column.element_type is not None
    return ValueType(
        base=column.element_type or column.base_type,
        many=many,
        enum=column.type_kind == "e",
        collation_is_c=column.collation_is_c or column.collation is None,
        collation_deterministic=column.collation_deterministic,
    )


def literal(value: Scalar, wanted: ValueType) -> str | None:
    """The value as a typed SQL literal, or None where it is no value of that type."""
    base = wanted.base
    if base in INTEGERS:
        return _integer(value, INTEGERS[base])
    if base in _NUMBERS:
        return _number(value, base)
    if base == "boolean":
        return ("true" if value else "false") if isinstance(value, bool) else None
    if not isinstance(value, str):
        return None
    if "\x00" in value:
        return None
    if base in _STRINGS:
        return f"{text_literal(value)}::{'text' if base == 'character varying' else _text_type(base)}".lstrip()
    if base == "uuid":
        return _parsed(UUID, value, "uuid")
    if base == DATE:
        return _parsed(date.fromisoformat, value, "date")
    if base in (TIMESTAMP, TIMESTAMPTZ):
        return _timestamp(value, base)
    return f"{text_literal(value)}::{base}".lstrip()


def _text_type(base: str) -> str:
    return {"character": "bpchar", "name": "text"}.get(base, base)


def _integer(value: Scalar, bound: int) -> str | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        if not _INTEGER_TEXT.match(value):
            return None
        value = int(value)
    if isinstance(value, float):
        if not value.is_integer():
            return None
        value = int(value)
    if not -bound <= value < bound:
        return None
    return str(value) if value >= 0 else f"({value})"


def _number(value: Scalar, base: str) -> str | None:
    if isinstance(value, bool):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return f"'{number}'::{base}" if number.is_finite() else None


def _parsed(parse: type[UUID] | object, value: str, name: str) -> str | None:
    try:
        parse(value)  # type: ignore[operator]
    except ValueError:
        return None
    return f"{text_literal(value)}::{name}".lstrip()


def _timestamp(value: str, base: str) -> str | None:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if base == TIMESTAMPTZ:
        zoned = value if moment.tzinfo is not None else f"{moment.isoformat(sep=' ')}+00"
        return f"{text_literal(zoned)}::timestamptz".lstrip()
    if moment.tzinfo is not None:
        return None
    return f"{text_literal(value)}::timestamp"


def array_type(wanted: ValueType) -> str:
    """The SQL name of an array of that type."""
    return f"{'text' if wanted.base == 'character varying' else _text_type(wanted.base)}[]"


def exact_array(wanted: ValueType) -> str:
    """The SQL name of an array of exactly that type: && knows no other on its two sides."""
    return f"{'bpchar' if wanted.base == 'character' else wanted.base}[]"


def of_extension(column: Column, sign: str) -> str:
    """The operator for a column's values: that of a base type outside pg_catalog lives where the type does."""
    if column.type_kind != "b" or column.element_type is not None or "." not in column.base_type:
        return sign
    return f"operator({column.base_type.rsplit('.', 1)[0]}.{sign})"


def null_of(column: Column) -> str:
    """Null of a column's type, of which no domain is asked."""
    return f"null::{column.base_type if column.domains else column.type}"


def unmodified(base: str) -> str:
    """A base type as a cast has to spell it: some names mean a length of one by themselves."""
    return {"character": "bpchar", "bit": '"bit"'}.get(base, base)


def key_from_text(source: str, base: str) -> str | None:
    """An expression that turns presented identity text into a key of type `base`, null where it is none. None: unsupported.

    Only the text that PostgreSQL prints for a key stands for it (docs/meaning.md, 32).
    """
    if base in ("text", "character varying"):
        return source
    if base in INTEGERS:
        digits = f"substring({source} from '^(?:0|-?[1-9][0-9]{{0,18}})$')::numeric"
        fits = f"k.v between {-(2**63)} and {2**63 - 1}"
        # Three uses, one look: OFFSET 0 keeps the inner query from being written out at each of them.
        return f"(select case when {fits} then k.v::bigint end from (select {digits} offset 0) k (v))"
    if base == "uuid":
        return f"substring({source} from '^[0-9a-f]{{8}}-(?:[0-9a-f]{{4}}-){{3}}[0-9a-f]{{12}}$')::uuid"
    return None
