"""Names as rule files spell them, read from text: tables, columns, paths. Nothing is looked up here.

A part that holds a dot, comma, bracket or quote is double-quoted, a quote inside doubled. A quoted step of a path that
holds a comma is a composite of the names inside; so a column whose own name holds one is quoted again inside the quotes.
A table in the middle of a path (`team_id.cs.phone(user_id)`) is written with its schema.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pgerase.rules.conditions import Span
from pgerase.rules.names import BackStep, Path, Step, TableColumns, TableName

_MARKS = '.,()[]"'
_TOKEN = re.compile(r'"(?P<quoted>(?:[^"]|"")*)"|(?P<mark>[.,()])|(?P<bare>[^.,()\[\]"]+)')
_QUANTITY = re.compile(r"([0-9]{1,9}) (second|minute|hour|day|week|month|year)s?")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600}
_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


class NameProblem(ValueError):
    """Text that is no such name; `hint` says how to spell one."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


_QUOTE_HINT = "double-quote parts that hold a dot, comma, bracket or quote: '\"we.ird\".column'"


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    kind: str
    """name, quoted, or the mark itself."""


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    offset = 0
    while offset < len(text):
        match = _TOKEN.match(text, offset)
        if match is None:
            raise NameProblem(f"{text[offset]!r} cannot stand in a name", _QUOTE_HINT)
        if match["quoted"] is not None:
            tokens.append(_Token(match["quoted"].replace('""', '"'), "quoted"))
        elif match["mark"] is not None:
            tokens.append(_Token(match["mark"], match["mark"]))
        else:
            tokens.append(_Token(match["bare"], "name"))
        offset = match.end()
    return tokens


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    @property
    def kind(self) -> str:
        """The kind of the next token; empty at the end."""
        return self._tokens[self._next].kind if self._next < len(self._tokens) else ""

    def is_at(self, mark: str) -> bool:
        """Whether the next token is that mark."""
        return self.kind == mark

    def take(self) -> _Token:
        """The next token. Raises NameProblem at the end."""
        if self._next >= len(self._tokens):
            raise NameProblem(f"'{self._text}' ends too early" if self._text else "a name is missing", _QUOTE_HINT)
        self._next += 1
        return self._tokens[self._next - 1]

    def part(self, *, blanks: bool = False) -> _Token:
        """One part of a name; with `blanks` those around a bare one do not count. Raises NameProblem for anything else."""
        if blanks and self.kind == "name" and self._tokens[self._next].text.isspace():
            self.take()
        token = self.take()
        if token.kind not in ("name", "quoted"):
            raise NameProblem(f"a name is missing before '{token.text}' in '{self._text}'", _QUOTE_HINT)
        text = token.text.strip(" ") if blanks and token.kind == "name" else token.text
        if not text:
            raise NameProblem(f"a name in '{self._text}' is empty")
        if token.kind == "name" and text != text.strip():
            raise NameProblem(f"'{self._text}' has blanks around a name", "take them away, or double-quote the part")
        if blanks and token.kind == "quoted" and self.kind == "name" and self._tokens[self._next].text.isspace():
            self.take()
        return _Token(text, token.kind)

    def columns(self) -> tuple[str, ...]:
        """Names separated by commas, up to the end or a closing bracket."""
        names = [self.part(blanks=True).text]
        while self.is_at(","):
            self.take()
            names.append(self.part(blanks=True).text)
        if len(set(names)) != len(names):
            raise NameProblem(f"a column is named twice in '{self._text}'")
        return tuple(names)

    def bracketed(self) -> tuple[str, ...]:
        """`(column, column)`."""
        self.take()
        columns = self.columns()
        if not self.is_at(")"):
            raise NameProblem(f"a closing bracket is missing in '{self._text}'")
        self.take()
        return columns

    def end(self) -> None:
        """Raises NameProblem unless everything was read."""
        if self._next < len(self._tokens):
            rest = self._tokens[self._next].text
            raise NameProblem(f"'{self._text}' goes on with '{rest}' where it should end", _QUOTE_HINT)

    def dotted(self) -> list[_Token]:
        """Parts separated by dots."""
        parts = [self.part()]
        while self.is_at("."):
            self.take()
            parts.append(self.part())
        return parts


def parse_name(text: str) -> str:
    """A single name: a column, a role, an attribute. Raises NameProblem."""
    parser = _Parser(text)
    name = parser.part().text
    if parser.kind:
        raise NameProblem(f"'{text}' is not a single name", _QUOTE_HINT)
    return name


def parse_table(text: str) -> TableName:
    """`table` or `schema.table`. Raises NameProblem."""
    parser = _Parser(text)
    parts = parser.dotted()
    parser.end()
    return _table([part.text for part in parts], text)


def _table(parts: list[str], text: str) -> TableName:
    if len(parts) > 2:
        raise NameProblem(f"'{text}' has too many parts for a table", "write schema.table")
    return TableName(parts[-1], parts[0] if len(parts) == 2 else None)


def parse_table_columns(text: str) -> TableColumns:
    """`table.column`, `schema.table.column` or `schema.table(column, column)`. Raises NameProblem."""
    parser = _Parser(text)
    parts = [part.text for part in parser.dotted()]
    if parser.is_at("("):
        columns = parser.bracketed()
    elif len(parts) > 1:
        columns = (parts.pop(),)
    else:
        raise NameProblem(
            f"'{text}' names no column of a table", "write schema.table.column or schema.table(column, column)"
        )
    parser.end()
    return TableColumns(_table(parts, text), columns)


def parse_step(text: str) -> Step:
    """One step forwards: `column`, or `column, column`. Raises NameProblem."""
    path = parse_path(text, backwards=False)
    step = path.steps[0]
    if len(path.steps) > 1 or not isinstance(step, Step):
        raise NameProblem(f"'{text}' is more than one step", "name the column, or the columns of a composite key")
    return step


def parse_path(text: str, *, backwards: bool) -> Path:
    """Steps separated by dots; a whole text `a, b` is one composite step. Raises NameProblem."""
    composite = _whole_composite(text)
    if composite is not None:
        return Path((composite,))
    parser = _Parser(text)
    steps: list[Step | BackStep] = []
    while True:
        parts = parser.dotted()
        if not parser.is_at("("):
            steps += [_step(part) for part in parts]
            break
        if not backwards:
            raise NameProblem(
                f"'{text}' goes backwards, which only data maps do", "follow foreign keys or references forwards"
            )
        steps += [_step(part) for part in parts[:-2]]
        steps.append(BackStep(_table([part.text for part in parts[-2:]], text), parser.bracketed()))
        if not parser.is_at("."):
            break
        parser.take()
    if parser.is_at(","):
        raise NameProblem(
            f"'{text}' mixes a composite step with others", "double-quote the composite step: '\"a, b\".c'"
        )
    parser.end()
    return Path(tuple(steps))


def _whole_composite(text: str) -> Step | None:
    """YAML takes the quotes of `"a, b"` away, so a comma list without dots or brackets is a composite step too."""
    kinds = [token.kind for token in _tokens(text)]
    if "," not in kinds or "." in kinds or "(" in kinds:
        return None
    parser = _Parser(text)
    columns = parser.columns()
    parser.end()
    return Step(columns)


def _step(part: _Token) -> Step:
    if part.kind == "quoted" and "," in part.text:
        parser = _Parser(part.text)
        columns = parser.columns()
        parser.end()
        return Step(columns)
    return Step((part.text,))


def span_hint(number: str) -> str:
    """What to write instead of a number alone."""
    return f"say of what: {number} hours, {number} days or {number} months"


def parse_span(text: str) -> Span:
    """A length of time such as `90 days` or `1 year 6 months`. Raises NameProblem."""
    if text.strip().isdigit():
        raise NameProblem(f"'{text}' has no unit", span_hint(text.strip()))
    months = days = seconds = 0
    rest = text
    while rest or text.endswith(" "):
        match = _QUANTITY.match(rest)
        if match is None or (match.end() < len(rest) and rest[match.end()] != " "):
            raise NameProblem(f"'{text}' is no length of time", "write 72 hours, 90 days, 24 months or 1 year")
        count, unit = int(match[1]), match[2]
        months += count * _MONTHS.get(unit, 0)
        days += count * _DAYS.get(unit, 0)
        seconds += count * _SECONDS.get(unit, 0)
        rest = rest[match.end() + 1 :]
    if not (months or days or seconds):
        raise NameProblem(f"'{text}' is no length of time", "write 72 hours, 90 days, 24 months or 1 year")
    return Span(months, days, seconds)
