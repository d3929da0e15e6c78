"""Long lines of generated SQL, broken where a person would break them: between items, arms, operands, and within brackets.

Nothing but the space between two words becomes a line break, so what a statement means stays what it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from textwrap import wrap

from pglast import parser

WIDTH = 120
_OPENING = frozenset({"(", "[", "case"})
_CLOSING = frozenset({")", "]", "end"})
_CLAUSES = frozenset({"select", "from", "where", "union", "order", "limit"})
_OPERATORS = frozenset({"=", "<>", "<", "-", "||", "is"})


@dataclass(frozen=True, slots=True)
class _Word:
    """A word as it was written, whether space stands before it, and in how many brackets it stands; brackets stand outside."""

    text: str
    spaced: bool
    depth: int


_Words = Sequence[_Word]


def comment(text: str) -> str:
    """A comment on lines of its own, whatever the text holds; it may be moved right a little."""
    return "".join(f"-- {line}\n" for line in wrap(text, WIDTH - 16, break_on_hyphens=False))


def folded(text: str) -> str:
    """The text with its long lines broken; those that are comments, or a word alone, stay. Literals hold no line break."""
    return "\n".join(part for line in text.split("\n") for part in _broken(line))


def _broken(line: str) -> list[str]:
    bare = line.strip()
    if len(line) <= WIDTH or bare.startswith("--"):
        return [line]
    return _fold(_words(bare), len(line) - len(line.lstrip()))


def _words(line: str) -> _Words:
    made: list[_Word] = []
    depth = end = 0
    for token in parser.scan(line):
        text = line[token.start : token.end + 1]
        depth -= text in _CLOSING
        made.append(_Word(text, token.start > end, depth))
        depth += text in _OPENING
        end = token.end + 1
    return made


def _fold(words: _Words, by: int) -> list[str]:
    """The words on as few lines as fit, the first moved right so far."""
    # One column is for the comma behind them.
    if len(_text(words)) + by < WIDTH:
        return _lines(words, by)
    if words[-1].text in {",", ";"}:
        return _behind(_fold(words[:-1], by), words[-1:])
    for way in (_clauses, _items, _named, _arms, _operands, _brackets):
        lines = way(words, by)
        if lines:
            return lines
    return _lines(words, by)


def _clauses(words: _Words, by: int) -> list[str]:
    """A query, its clauses below one another."""
    places = [
        place
        for place in _places(words, _CLAUSES)
        if words[place].text != "from" or words[place - 1].text not in {"distinct", "delete"}
    ]
    return [line for piece in _split(words, places) for line in _fold(piece, by)] if places else []


def _items(words: _Words, by: int) -> list[str]:
    """A list, a line an item; behind SELECT moved right."""
    commas = [place + 1 for place in _places(words, {","})]
    if not commas:
        return []
    head = 1 if words[0].text == "select" else 0
    lines = _lines(words[:head], by) if head else []
    for piece in _split(words[head:], [place - head for place in commas]):
        lines += _fold(piece, by + 4 * head)
    return lines


def _named(words: _Words, by: int) -> list[str]:
    """An expression, and below it the name it gets."""
    if len(words) < 3 or words[-2].text != "as" or words[-2].depth != words[0].depth:
        return []
    lines = _fold(words[:-2], by)
    together = _behind(lines, words[-2:])
    if len(lines) > 1 and len(together[-1]) < WIDTH:
        return together
    return [*lines, *_lines(words[-2:], by + 4)]


def _arms(words: _Words, by: int) -> list[str]:
    """CASE, its arms below one another."""
    begins = next(iter(_places(words, {"case"}, first=True)), None)
    if begins is None:
        return []
    ends = next((place for place in _places(words, {"end"}) if place > begins), None)
    if ends is None:
        return []
    inner = words[begins + 1 : ends]
    arms = _places(inner, {"when", "else"}, first=True)
    if not arms:
        return []
    pieces = [inner[begin:end] for begin, end in pairwise([*arms, len(inner)])]
    lines = [line for piece in pieces for line in _fold(piece, by + 4)]
    return [*_lines(words[: begins + 1 + arms[0]], by), *lines, *_lines(words[ends:], by)]


def _operands(words: _Words, by: int) -> list[str]:
    """Conditions, each but the first moved right; where there is but one, its right side."""
    places = _places(words, {"and", "or", "then"} if words[0].text == "when" else {"and", "or"})
    if not places:
        # What is assigned stays beside its name.
        places = [place for place in _places(words, _OPERATORS) if place > 1]
    if not places:
        return []
    first, *rest = _split(words, places)
    return [*_fold(first, by), *(line for piece in rest for line in _fold(piece, by + 4))]


def _brackets(words: _Words, by: int) -> list[str]:
    """The longest of the brackets, what is in it on lines of its own."""
    opening = _places(words, {"(", "["}, first=True)
    closing = _places(words, {")", "]"})
    found = max(zip(opening, closing, strict=False), key=lambda pair: pair[1] - pair[0], default=None)
    if found is None or found[1] - found[0] < 2:
        return []
    begins, ends = found
    inner = words[begins + 1 : ends]
    return [*_lines(words[: begins + 1], by), *_spread(inner, by + 4), *_lines(words[ends:], by)]


def _spread(words: _Words, by: int) -> list[str]:
    """What stands in brackets: a list has a line an item even where it would fit."""
    return _fold(words, by) if _places(words, _CLAUSES, first=True) else _items(words, by) or _fold(words, by)


def _places(words: _Words, wanted: Iterable[str], *, first: bool = False) -> list[int]:
    """Where these words stand in no bracket of the others; at the very beginning only with `first`."""
    return [
        place
        for place, word in enumerate(words)
        if word.text in wanted and word.depth == words[0].depth and (place or first)
    ]


def _split(words: _Words, places: Iterable[int]) -> list[_Words]:
    """The pieces that begin at these places, and what is before the first."""
    bounds = [0, *places, len(words)]
    return [words[begin:end] for begin, end in pairwise(bounds) if begin < end]


def _behind(lines: list[str], words: _Words) -> list[str]:
    """Lines with these words behind the last one."""
    return [*lines[:-1], f"{lines[-1]}{' ' if words[0].spaced else ''}{_text(words)}"]


def _lines(words: _Words, by: int) -> list[str]:
    return [" " * by + _text(words)]


def _text(words: _Words) -> str:
    return "".join(f"{' ' if word.spaced and place else ''}{word.text}" for place, word in enumerate(words))
