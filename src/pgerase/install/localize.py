"""Turns the SQL of `sql/migrations` and `sql/routines`, written for the prefix `pgerase`, into that of another prefix.

The files stay real SQL that an editor, a linter and a reader understand. Names are replaced token by token, never by searching
text: a word that merely contains `pgerase` stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pgerase.errors import InternalError
from pgerase.install.names import Names
from pgerase.render.fragments import quote_identifier

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
    return _localize(source, names.replacements, names.prefix)


def _localize(source: str, replacements: Mapping[str, str], prefix: str) -> str:
    return "".join(_replaced(match, replacements, prefix) for match in _TOKEN.finditer(source))


def _replaced(match: re.Match[str], replacements: Mapping[str, str], prefix: str) -> str:
    token = match.group()
    match match.lastgroup:
        case "word":
            return quote_identifier(replacements[token]) if token in replacements else token
        case "quoted":
            if token[1:-1] in replacements:
                raise InternalError(f"write {token[1:-1]} without quotes, so that it can be replaced")
            return token
        case "text":
            return _text(token, replacements, prefix)
        case "body" | "inside" | "tag":
            return f"${match['tag']}${_localize(match['inside'], replacements, prefix)}${match['tag']}$"
        case "other":
            if token in {"'", '"'}:
                raise InternalError("a quotation mark is not closed")
            return token
        case _:
            return token


def _text(token: str, replacements: Mapping[str, str], prefix: str) -> str:
    """A string constant: a whole name, or prose and settings that mention the schema with a dot after it.

    A prefix holds no quotation mark and no percent sign, so it may stand inside one as it is.
    """
    if token[1:-1] in replacements:
        return f"'{replacements[token[1:-1]]}'"
    return re.sub(r"\bpgerase\.(?=[a-z_])", lambda _: f"{prefix}.", token)
