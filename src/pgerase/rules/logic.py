"""`and`, `or`, `not` and brackets over names: lettered logic in conditions, and `combine` expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

MAXIMUM_DEPTH = 32
_TOKEN = re.compile(r'\s*(?:(?P<mark>[()])|"(?P<quoted>(?:[^"]|"")+)"|(?P<word>[^\s()"]+))')
_RESERVED = ("and", "or", "not")


@dataclass(frozen=True, slots=True)
class Name:
    """A term by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Negation:
    """`not` something."""

    part: Logic


@dataclass(frozen=True, slots=True)
class Conjunction:
    """Parts joined by `and`."""

    parts: tuple[Logic, ...]


@dataclass(frozen=True, slots=True)
class Disjunction:
    """Parts joined by `or`."""

    parts: tuple[Logic, ...]


Logic: TypeAlias = Name | Negation | Conjunction | Disjunction


class LogicProblem(ValueError):
    """Text that is no such expression."""


def parse_logic(text: str, *, negation: bool) -> Logic:
    """The tree of an expression; `not` only with `negation`. Raises LogicProblem."""
    parser = _Parser(text, negation=negation)
    logic = parser.disjunction(0)
    parser.end()
    return logic


def names_in(logic: Logic) -> tuple[str, ...]:
    """Every name in an expression, in order, repeated ones too."""
    match logic:
        case Name(name):
            return (name,)
        case Negation(part):
            return names_in(part)
        case Conjunction(parts) | Disjunction(parts):
            return tuple(name for part in parts for name in names_in(part))


class _Parser:
    def __init__(self, text: str, *, negation: bool) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._negation = negation

    def disjunction(self, depth: int) -> Logic:
        parts = [self._conjunction(depth)]
        while self._take("or"):
            parts.append(self._conjunction(depth))
        return parts[0] if len(parts) == 1 else Disjunction(tuple(parts))

    def end(self) -> None:
        if self._next < len(self._tokens):
            raise LogicProblem(f"{self._tokens[self._next][1]} is not expected there: and, or or the end is")

    def _conjunction(self, depth: int) -> Logic:
        parts = [self._factor(depth)]
        while self._take("and"):
            parts.append(self._factor(depth))
        return parts[0] if len(parts) == 1 else Conjunction(tuple(parts))

    def _factor(self, depth: int) -> Logic:
        if depth > MAXIMUM_DEPTH:
            raise LogicProblem(f"brackets and not are nested more than {MAXIMUM_DEPTH} deep")
        if self._take("not"):
            if not self._negation:
                raise LogicProblem("not cannot be used here: only and, or, brackets and names")
            return Negation(self._factor(depth + 1))
        if self._take("("):
            inner = self.disjunction(depth + 1)
            if not self._take(")"):
                raise LogicProblem("a closing bracket is missing")
            return inner
        if self._next >= len(self._tokens):
            raise LogicProblem("a name is missing at the end")
        kind, word = self._tokens[self._next]
        if kind != "name":
            raise LogicProblem(f"a name is missing before {word}")
        self._next += 1
        return Name(word)

    def _take(self, kind: str) -> bool:
        if self._next < len(self._tokens) and self._tokens[self._next][0] == kind:
            self._next += 1
            return True
        return False


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    text = text.strip()
    offset = 0
    while offset < len(text):
        match = _TOKEN.match(text, offset)
        if match is None:
            raise LogicProblem("a quotation mark is left open")
        if match["mark"]:
            tokens.append((match["mark"], match["mark"]))
        elif match["quoted"]:
            tokens.append(("name", match["quoted"].replace('""', '"')))
        elif match["word"] in _RESERVED:
            tokens.append((match["word"], match["word"]))
        elif match["word"].lower() in _RESERVED:
            raise LogicProblem(f"{match['word']} is written {match['word'].lower()}; a name like that is double-quoted")
        else:
            tokens.append(("name", match["word"]))
        offset = match.end()
    return tokens
