"""SQL text made safely: quoting, literals, and the layout of boolean formulas.

Everything the compiler emits goes through here, so that a name or a value from a rule file can only ever be an identifier
or a literal. Queries are fully qualified and never depend on search_path.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from pglast import parser
from pglast.keywords import COL_NAME_KEYWORDS, RESERVED_KEYWORDS, TYPE_FUNC_NAME_KEYWORDS

from pgerase.catalog.model import Name
from pgerase.catalog.quoting import quote_identifier
from pgerase.errors import InternalError

_PLAIN = re.compile(r"[a-z_][a-z0-9_]*\Z")
_SELECT = re.compile(r'\{"version":\d+,"stmts":\[\{"stmt":\{"SelectStmt":')
_KEYWORDS = frozenset(RESERVED_KEYWORDS) | frozenset(TYPE_FUNC_NAME_KEYWORDS) | frozenset(COL_NAME_KEYWORDS)
MAX_NAME_BYTES = 63


def ident(name: str) -> str:
    """An identifier, quoted only where PostgreSQL needs it. Raises InternalError for a name no catalog can hold."""
    if not name or "\x00" in name:
        raise InternalError(f"not an identifier: {name!r}")
    if _PLAIN.match(name) and name not in _KEYWORDS:
        return name
    quoted = '"' + name.replace('"', '""') + '"'
    if "\n" in name:
        # Fragments are moved right line by line, so no line may begin inside a name.
        return "U&" + quoted.replace("\\", "\\\\").replace("\n", "\\000A")
    return quoted


_LINE = "\ufdd0"
"""Stands for a line break within a name while fragments are still moved about; no character at all in Unicode."""


def row_field(row: str, column: str) -> str:
    """A column of a PL/pgSQL row, `new` or `old`; the function's body has to go through `plpgsql` in the end.

    PL/pgSQL finds no field that is spelled U&"…", so that a line break in its name has to stay one.
    """
    return (
        f'{row}."{column.replace(chr(34), 2 * chr(34))}"'.replace("\n", _LINE)
        if "\n" in column
        else f"{row}.{ident(column)}"
    )


def plpgsql(body: str) -> str:
    """The body of a function, with the line breaks that names of fields hold."""
    return body.replace(_LINE, "\n")


def qualified(name: Name) -> str:
    """A schema-qualified identifier."""
    return f"{ident(name.schema)}.{ident(name.name)}"


def text_literal(value: str) -> str:
    """A string literal that means the same whatever standard_conforming_strings says. Raises InternalError on NUL."""
    if "\x00" in value:
        raise InternalError("a NUL byte cannot be stored in PostgreSQL")
    quoted = "'" + value.replace("'", "''") + "'"
    if "\\" in value or "\n" in value:
        # Line breaks are spelt out: fragments are moved right line by line, and no line may begin inside a literal.
        return " E" + quoted.replace("\\", "\\\\").replace("\n", "\\n")
    return quoted


def regclass(name: Name) -> str:
    """A table as the constant of type regclass, whose input knows no U&"…"."""
    spelt = ".".join(quote_identifier(part) for part in (name.schema, name.name))
    return f"{text_literal(spelt).strip()}::pg_catalog.regclass"


def unbroken(expression: str) -> str:
    """An expression as the server spells it, without line breaks inside literals and names, since fragments are moved right line by line."""
    if "\n" not in expression:
        return expression
    made, end = "", 0
    for token in parser.scan(expression):
        text = expression[token.start : token.end + 1]
        if "\n" in text and token.name == "SCONST":
            inner = text.removeprefix("E")[1:-1]
            # The server writes E'' where there are backslashes, and doubles them.
            text = f"E'{inner.replace(chr(10), chr(92) + 'n')}'"
        elif "\n" in text and token.name == "IDENT":
            text = ident(text[1:-1].replace('""', '"'))
        made += expression[end : token.start] + text
        end = token.end + 1
    return made + expression[end:]


def fit_name(name: str, *, salt: str = "") -> str:
    """A name of at most 63 bytes: cut on a character boundary, with 8 hex digits of its hash where it was cut."""
    full = name if not salt else f"{name}_{salt}"
    if len(full.encode()) <= MAX_NAME_BYTES:
        return full
    digest = hashlib.sha256(full.encode()).hexdigest()[:8]
    kept = full.encode()[: MAX_NAME_BYTES - 9].decode(errors="ignore")
    return f"{kept}_{digest}"


def indent(text: str, by: int = 4) -> str:
    """Every line after the first moved right, so that a multi-line fragment can be put behind something."""
    pad = " " * by
    return text.replace("\n", "\n" + pad)


def block(head: str, body: str, tail: str) -> str:
    """`head`, the body on lines of its own moved right, `tail`; on one line where that stays readable."""
    if "\n" not in body and len(head) + len(body) + len(tail) <= 88:
        return f"{head}{body}{tail}"
    return f"{head}\n    {indent(body)}\n{tail}"


def select(value: str, sources: Iterable[str], conditions: Iterable[str]) -> str:
    """A SELECT; `value` may be empty (for EXISTS). Sources after the first are cross-joined unless they say `join`. Conditions, each safe next to AND, are joined by it."""
    lines = [f"select {value}".rstrip()]
    joined = [*sources]
    if joined:
        rest = (indent(source if source.startswith("join ") else f"cross join {source}") for source in joined[1:])
        lines.append("\n    ".join([f"from {joined[0]}", *rest]))
    held = [condition for condition in conditions if condition != "true"]
    if held:
        lines.append("where " + "\n    and ".join(indent(condition) for condition in held))
    short = " ".join(lines)
    return short if "\n" not in short and len(short) <= 80 else "\n".join(lines)


def subquery(query: str) -> str:
    """A query in brackets."""
    return block("(", query, ")")


def array_of(query: str) -> str:
    """ARRAY(query)."""
    return block("array(", query, ")")


def exists(query: str) -> str:
    """EXISTS (query)."""
    return block("exists (", query, ")")


# Boolean formulas -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Atom:
    """A finished boolean expression, safe to put next to AND and OR; `implies` are texts of others that hold with it."""

    text: str
    implies: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class And:
    """Every part holds; none: true."""

    parts: tuple[Formula, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part holds; none: false."""

    parts: tuple[Formula, ...]


Formula: TypeAlias = Atom | And | Or

TRUE = And(())
FALSE = Or(())


def conjunction(parts: Iterable[Formula]) -> Formula:
    """AND, flattened, without repeats; false as soon as one part is."""
    flat: list[Formula] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, And) else (part,))
    if FALSE in flat:
        return FALSE
    unique = tuple(dict.fromkeys(flat))
    return unique[0] if len(unique) == 1 else And(unique)


def disjunction(parts: Iterable[Formula]) -> Formula:
    """OR, flattened, without repeats; true as soon as one part is."""
    flat: list[Formula] = []
    for part in parts:
        flat.extend(part.parts if isinstance(part, Or) else (part,))
    if TRUE in flat:
        return TRUE
    unique = tuple(dict.fromkeys(flat))
    return unique[0] if len(unique) == 1 else Or(unique)


def both(first: Formula, second: Formula) -> Formula:
    """AND of two ORs: arms that the other side has too, or that imply one of its arms, stand alone, so that each keeps its index."""
    first_arms = first.parts if isinstance(first, Or) else (first,)
    second_arms = second.parts if isinstance(second, Or) else (second,)
    alone = [arm for arm in first_arms if _implies(arm, second_arms)]
    alone += [arm for arm in second_arms if _implies(arm, first_arms)]
    rest = conjunction(
        (
            disjunction(arm for arm in first_arms if arm not in alone),
            disjunction(arm for arm in second_arms if arm not in alone),
        )
    )
    return disjunction((*alone, rest))


def _implies(arm: Formula, arms: tuple[Formula, ...]) -> bool:
    if arm in arms:
        return True
    return isinstance(arm, Atom) and any(isinstance(other, Atom) and other.text in arm.implies for other in arms)


def formula_text(formula: Formula) -> str:
    """The formula laid out one part a line."""
    if isinstance(formula, Atom):
        return formula.text
    if not formula.parts:
        return "true" if isinstance(formula, And) else "false"
    word = "and" if isinstance(formula, And) else "or"
    parts = [_nested(part, inside=formula) for part in formula.parts]
    return f"\n{word} ".join(parts)


def _nested(part: Formula, *, inside: Formula) -> str:
    text = formula_text(part)
    if isinstance(part, Atom) or not part.parts or type(part) is type(inside):
        return text
    return block("(", text, ")")


def assert_expression(text: str) -> str:
    """The text back, if PostgreSQL's grammar reads it as exactly one expression. Raises InternalError otherwise."""
    assert_query(f"select {text}")
    return text


def assert_query(text: str) -> str:
    """The text back, if PostgreSQL's grammar reads it as exactly one SELECT. Raises InternalError otherwise."""
    # As JSON, unread: the same grammar, without the objects that parse_sql makes of the tree, which take fifteen times as long.
    try:
        tree = parser.parse_sql_json(text)
    except parser.ParseError as error:
        raise InternalError(f"the compiler made SQL that does not parse: {error}: {text}") from error
    # Quotes inside the JSON's strings are escaped, so that only statements are counted.
    if not _SELECT.match(tree) or tree.count('{"stmt":') != 1:
        raise InternalError(f"the compiler made something else than one query: {text}")
    return text


def dollar_tag(body: str) -> str:
    """A dollar quote that the body does not contain."""
    number, tag = 0, "$body$"
    while tag in body:
        number += 1
        tag = f"$body{number}$"
    return tag
