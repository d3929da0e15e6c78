"""What becomes of a column's value: treatments as SQL expressions, each shown to fit its column or refused.

A filler is *proved* where type, length, NOT NULL and uniqueness follow from the catalog, those of domains included; checks and
foreign keys are left to the dry run, which evaluates them on the row as it would be (see `statement`). So values are written in
the type that a domain is over: a cast to the domain would raise there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pgerase.catalog.model import Column, Table
from pgerase.compile.erasure.bind import constant_of
from pgerase.compile.erasure.known import as_text, is_others, printed
from pgerase.compile.sql import ident, text_literal
from pgerase.compile.types import DATE, INTEGERS, TIMESTAMP, TIMESTAMPTZ, literal, null_of, type_of
from pgerase.errors import Finding, Position, Severity
from pgerase.rules import data_map as rules

TOKEN_LENGTH = 26
SHORTEST_TOKEN = 8
_LENGTH = re.compile(r"character(?: varying)?\((\d+)\)\Z")
_JSON = {"json", "jsonb"}
_SPELLED_ALIKE = {*INTEGERS, "numeric", "boolean", "uuid"}
"""Beside text and enums. Not dates, times, intervals, floats, bytes, money: a second erasure would write another token."""


@dataclass(eq=False)
class Misfit(Exception):
    """A treatment that does not fit its column."""

    code: str
    message: str
    hint: str
    at: Position

    def finding(self, table: Table, column: Column) -> Finding:
        """The finding that refuses the map."""
        subject = f"{table.name}.{column.name}"
        return Finding(self.code, Severity.ERROR, subject, f"{subject}: {self.message}", self.hint, self.at)


def new_value(
    table: Table, column: Column, treatments: Iterable[rules.Treatment], before: str, row: str, person: str
) -> str:
    """The expression for a column's value after its treatments, in order; `before` is the value before, `row` and `person` are aliases.

    Raises Misfit where the result could not stand in the column.
    """
    value = before
    for treatment in treatments:
        value = _treated(table, column, treatment, value, row, person)
    return value


def leaves_alone(treatments: Iterable[rules.Treatment]) -> bool:
    """Whether nothing is done to the value: kept without ground, or by law in its place."""
    return all(
        isinstance(one, rules.KeepNoted) or (isinstance(one, rules.KeepColumn) and not one.visible_to)
        for one in treatments
    )


def _treated(table: Table, column: Column, treatment: rules.Treatment, value: str, row: str, person: str) -> str:
    if column.generated and not isinstance(treatment, (rules.KeepNoted, rules.KeepColumn)):
        message = "it is generated; treat the columns it is made from"
        raise Misfit("generated-column", message, "Write keep here.", treatment.at)
    match treatment:
        case rules.KeepNoted():
            return value
        case rules.KeepColumn(visible_to=visible_to, at=at):
            if visible_to:
                raise Misfit("not-compiled-yet", "visible_to needs the vault, which this release has not", "", at)
            return value
        case rules.Clear(at):
            if column.refuses_null:
                hint = "Fill it, or generalize it."
                raise Misfit("clear-not-null", "it is NOT NULL and cannot be cleared", hint, at)
            return null_of(column)
        case rules.Generalize(to, at):
            return _generalized(column, to, value, at)
        case rules.Fill():
            return _filled(table, column, treatment, row, person)
        case rules.Redact(at=at) | rules.RemovePaths(at=at):
            raise Misfit("not-compiled-yet", "this release reads but does not compile this treatment", "", at)


def _generalized(column: Column, to: rules.DatePart | int, value: str, at: Position) -> str:
    kind = type_of(column)
    if isinstance(to, int):
        if not kind.is_text or kind.many:
            raise Misfit("generalize-type", f"its first {to} characters: it is {column.type}, not text", "", at)
        return f"left({as_text(column, value)}, {to})"
    match kind.base:
        case _ if kind.many:
            pass
        case "date":
            return f"date_trunc('{to}', {value}::timestamp)::date"
        case "timestamp without time zone":
            return f"date_trunc('{to}', {value})"
        case "timestamp with time zone":
            return f"date_trunc('{to}', {value}, 'UTC')"
        case _:
            pass
    hint = f"Dates are {DATE}, {TIMESTAMP} or {TIMESTAMPTZ}."
    raise Misfit("generalize-type", f"its {to}: it is {column.type}, no date", hint, at)


def _filled(table: Table, column: Column, fill: rules.Fill, row: str, person: str) -> str:
    constant = constant_of(fill)
    kind = type_of(column)
    if constant is not None and kind.base not in _JSON and not kind.many:
        made = literal(constant.value, kind)
        if made is None:
            raise Misfit("filler-type", f"{constant.value!r} is no {column.type}", "", fill.at)
        room = _room(column)
        if room is not None and len(str(constant.value)) > room:
            raise Misfit("filler-too-long", f"{constant.value!r} is longer than {column.type}", "", fill.at)
        if _alone_unique(table, column):
            message = f"{constant.value!r} would stand in more than one row, and the column is unique"
            raise Misfit("filler-not-unique", message, "Put {token} into it.", fill.at)
        return made
    if kind.many:
        message = f"this release fills no arrays, and it is {column.type}"
        raise Misfit("filler-type", message, "Clear it.", fill.at)
    if kind.base in _JSON:
        return f"{_json(table, fill.value, row, person, fill.at)}::{kind.base}"
    if not isinstance(fill.value, rules.Template) or not kind.is_text:
        raise Misfit("filler-type", f"this filler is text, and it is {column.type}", "", fill.at)
    return _template(table, fill.value, row, person, _room(column), fill.at)


def _template(table: Table, template: rules.Template, row: str, person: str, room: int | None, at: Position) -> str:
    """Text with tokens cut to fit, never below 8 characters."""
    length = TOKEN_LENGTH
    if room is not None:
        fixed = sum(len(part) for part in template.parts if isinstance(part, str))
        length = min(length, (room - fixed) // len(template.placeholders))
        if length < SHORTEST_TOKEN:
            message = f"{room} characters leave no room for {template.text!r} with tokens of {SHORTEST_TOKEN}"
            raise Misfit("filler-too-long", message, "Shorten the text around the token.", at)
    parts = [
        text_literal(part).strip() if isinstance(part, str) else _token(table, part, row, person, length, at)
        for part in template.parts
        if part != ""
    ]
    return " || ".join(parts)


def _token(table: Table, token: rules.Placeholder, row: str, person: str, length: int, at: Position) -> str:
    """`{token}`, one a person; `{token:column}`, one a person and value of that column, from which neither can be had back."""
    if token.argument is None:
        return f"{person}.token" if length == TOKEN_LENGTH else f"left({person}.token, {length})"
    column = table.column(token.argument)
    if column is None:
        raise Misfit("unknown-column", f"{{token:{token.argument}}}: there is no such column here", "", at)
    kind = type_of(column)
    if kind.many or not (kind.is_text or kind.enum or kind.base in _SPELLED_ALIKE):
        message = f"{{token:{token.argument}}}: it is {column.type}, which sessions may spell in different ways"
        raise Misfit("filler-type", message, "Take a column of integers, text or uuids.", at)
    source = f"{row}.{ident(token.argument)}"
    held = printed(source) if is_others(column) else f"coalesce({source}::text, '')"
    salted = f"{person}.token || ':' || {held}"
    return f"left(encode(sha256(convert_to({salted}, 'UTF8')), 'hex'), {length})"


def _json(table: Table, value: object, row: str, person: str, at: Position) -> str:
    """A structured filler as jsonb."""
    match value:
        case rules.JsonObject(members):
            parts = ", ".join(
                f"{text_literal(name).strip()}, {_json(table, one, row, person, at)}" for name, one in members
            )
            return f"jsonb_build_object({parts})"
        case rules.JsonArray(items):
            return f"jsonb_build_array({', '.join(_json(table, one, row, person, at) for one in items)})"
        case rules.Template():
            if not value.placeholders:
                return f"to_jsonb({text_literal(''.join(str(part) for part in value.parts)).strip()}::text)"
            return f"to_jsonb({_template(table, value, row, person, None, at)})"
        case _:
            return f"{text_literal(json.dumps(value)).strip()}::jsonb"


def _room(column: Column) -> int | None:
    """How many characters fit, None for as many as one likes."""
    found = [_LENGTH.search(one) for one in (column.type, *(domain.type for domain in column.domains))]
    return min((int(match[1]) for match in found if match is not None), default=None)


def _alone_unique(table: Table, column: Column) -> bool:
    """Whether a unique index is over this column alone, in part of the rows or through an expression too."""
    return any(
        index.unique
        and index.key_count == 1
        and (index.columns[0] == column.name or (index.columns[0] is None and _names(index.definition, column.name)))
        for index in table.indexes
    )


def _names(definition: str, column: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(column)}(?!\w)", definition) is not None


def comparable(column: Column, source: str) -> str:
    """A value so that it can be compared with others of its column: some types have no equality, or not in pg_catalog.

    Composites may be made of such types.
    """
    kind = type_of(column)
    own = "." in kind.base and column.type_kind in {"b", "c"}
    return as_text(column, source) if own or kind.base in _NO_EQUALITY else source


_NO_EQUALITY = frozenset(
    {
        *("json", "xml", "point", "polygon", "box", "path", "line", "lseg", "circle"),
        *("jsonpath", "refcursor", "pg_snapshot", "txid_snapshot"),
    }
)
