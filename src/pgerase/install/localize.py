"""Turns the SQL of `sql/migrations` and `sql/routines`, written for the prefix `pgerase`, into that of another prefix.

The files stay real SQL that an editor, a linter and a reader understand. Names are replaced token by token, never by searching
text: a word that merely contains `pgerase` stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from pgerase.errors import InternalError
from pgerase.install.names import Names
from pgerase.render.fragments import quote_identifier

_OURS: Final = "pgerase"
"""What every name has in it that is replaced."""

_TOKEN = re.compile(
    r"""
      (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<text>    '(?:[^']|'')*' )
    | (?P<quoted>  "(?:[^"]|"")*" )
    | (?P<body>    \$(?P<tag>\w*)\$ (?P<inside>.*?) \$(?P=tag)\$ )
    | (?P<word>    [^\W\d][\w$]* )
    | (?P<number>  \d[\w.]* )
    | (?P<blank>   \s+ )
    | (?P<other>   . )
    """,
    re.VERBOSE | re.DOTALL,
)


def localize(source: str, names: Names) -> str:
    """The script with the names of `names`; the same text, byte for byte, for the default prefix.

    Raises InternalError where a file holds what the tokens do not cover (a string with backslash escapes, an open quote).
    """
    replacements = names.replacements
    return "".join(
        piece if kind is _Kind.SAME else _replaced(kind, piece, replacements, names.prefix)
        for kind, piece in _pieces(source)
    )


class _Kind(Enum):
    """What a piece of a script is to replacing."""

    SAME = auto()
    WORD = auto()
    QUOTED = auto()
    TEXT = auto()


@lru_cache(maxsize=256)
def _pieces(source: str) -> tuple[tuple[_Kind, str], ...]:
    """A script cut where it may name something of ours. The same files are read for each prefix, and for each look at one."""
    pieces: list[tuple[_Kind, str]] = []
    for kind, token in _tokens(source):
        if pieces and kind is pieces[-1][0] is _Kind.SAME:
            pieces[-1] = (kind, pieces[-1][1] + token)
        else:
            pieces.append((kind, token))
    return tuple(pieces)


def _tokens(source: str) -> Iterator[tuple[_Kind, str]]:
    for match in _TOKEN.finditer(source):
        token = match.group()
        match match.lastgroup:
            case "body" | "inside" | "tag":
                yield _Kind.SAME, f"${match['tag']}$"
                yield from _tokens(match["inside"])
                yield _Kind.SAME, f"${match['tag']}$"
            case "other" if token in {"'", '"'}:
                raise InternalError("a quotation mark is not closed")
            case "word" | "quoted" | "text" as group if _OURS in token:
                yield _Kind[group.upper()], token
            case _:
                yield _Kind.SAME, token


def _replaced(kind: _Kind, token: str, replacements: Mapping[str, str], prefix: str) -> str:
    if kind is _Kind.WORD:
        return quote_identifier(replacements[token]) if token in replacements else token
    if kind is _Kind.QUOTED:
        if token[1:-1] in replacements:
            raise InternalError(f"write {token[1:-1]} without quotes, so that it can be replaced")
        return token
    # A string constant: a whole name, or prose and settings that mention the schema with a dot after it. A prefix holds no
    # quotation mark and no percent sign, so it may stand inside one as it is.
    if token[1:-1] in replacements:
        return f"'{replacements[token[1:-1]]}'"
    return re.sub(r"\bpgerase\.(?=[a-z_])", lambda _: f"{prefix}.", token)
