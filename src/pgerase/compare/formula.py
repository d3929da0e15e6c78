"""Formulas about a viewer, a row and whatever they lead to. Two-valued; the same formula is one object, so `is` compares them.

Atoms speak of columns of rows, of which nothing is known but what the formula says: what holds for them all, holds for any data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from pgerase.meaning.paths import Lookup


@dataclass(frozen=True, slots=True)
class Place:
    """A row: `root` (the viewer, the row asked about, a bound variable), a row of `home`, or where `path` leads from there."""

    root: str
    home: str
    path: tuple[Lookup, ...] = ()

    @property
    def table(self) -> str:
        """The table of the row itself."""
        return str(self.path[-1].target) if self.path else self.home


@dataclass(frozen=True, slots=True)
class Field:
    """The value of a column; null or not is said apart."""

    place: Place
    column: str
    sort: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A value of the rule file, in what stands for values of its sort: numbers, or text."""

    value: object
    sort: str


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, moved by a span."""

    months: int
    days: int
    seconds: int
    sort: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A value as it is when compared with another type: folded, without blanks, in floating point, at midnight."""

    how: str
    term: Term
    sort: str


Term: TypeAlias = Field | Constant | Moment | Changed
Argument: TypeAlias = Term | Place


class Formula:
    """A node. Made by `Formulas` only; children are `parts`, or the `body` under a bound variable."""

    __slots__ = ("arguments", "body", "kind", "number", "parts", "word")

    def __init__(
        self,
        number: int,
        kind: str,
        word: str = "",
        arguments: tuple[Argument, ...] = (),
        parts: tuple[Formula, ...] = (),
        body: Formula | None = None,
    ) -> None:
        self.number = number
        self.kind = kind
        """true, false, atom, not, and, or, some."""
        self.word = word
        """An atom's predicate; the name of the variable of `some`."""
        self.arguments = arguments
        """An atom's; of `some`, the place that the variable is."""
        self.parts = parts
        self.body = body


class Formulas:
    """Makes formulas, simplified as far as it costs nothing, each once."""

    def __init__(self) -> None:
        self._made: dict[tuple[object, ...], Formula] = {}
        self.true = self._make("true")
        self.false = self._make("false")
        self._moved: dict[tuple[int, str, Place], Formula] = {}

    def _make(
        self,
        kind: str,
        word: str = "",
        arguments: tuple[Argument, ...] = (),
        parts: tuple[Formula, ...] = (),
        body: Formula | None = None,
    ) -> Formula:
        key = (kind, word, arguments, tuple(part.number for part in parts), None if body is None else body.number)
        if key not in self._made:
            self._made[key] = Formula(len(self._made), kind, word, arguments, parts, body)
        return self._made[key]

    def atom(self, word: str, *arguments: Argument) -> Formula:
        """A predicate of these arguments."""
        return self._make("atom", word, arguments)

    def truth(self, *, value: bool) -> Formula:
        """True or false."""
        return self.true if value else self.false

    def negation(self, part: Formula) -> Formula:
        """Not."""
        if part.kind == "not":
            return part.parts[0]
        if part.kind in ("true", "false"):
            return self.truth(value=part.kind == "false")
        return self._make("not", parts=(part,))

    def every(self, parts: Iterable[Formula]) -> Formula:
        """All of them."""
        return self._joined("and", parts, neutral=self.true, final=self.false)

    def any(self, parts: Iterable[Formula]) -> Formula:
        """At least one."""
        return self._joined("or", parts, neutral=self.false, final=self.true)

    def _joined(self, kind: str, parts: Iterable[Formula], *, neutral: Formula, final: Formula) -> Formula:
        found: dict[int, Formula] = {}
        for part in parts:
            for one in part.parts if part.kind == kind else (part,):
                if one is final or self.negation(one).number in found:
                    return final
                if one is not neutral:
                    found[one.number] = one
        if len(found) < 2:
            return next(iter(found.values()), neutral)
        # The order of rules and terms means nothing.
        return self._make(kind, parts=tuple(found[number] for number in sorted(found)))

    def some(self, variable: Place, body: Formula) -> Formula:
        """Some row of the variable's table makes the body true. Where the body does not depend on it, it may still be that none is."""
        if body is self.false:
            return body
        return self._make("some", variable.root, (variable,), body=body)

    def moved(self, formula: Formula, root: str, to: Place) -> Formula:
        """The formula with another row in the place of the variable."""
        key = (formula.number, root, to)
        if key not in self._moved:
            self._moved[key] = self._move(formula, root, to)
        return self._moved[key]

    def _move(self, formula: Formula, root: str, to: Place) -> Formula:
        match formula.kind:
            case "atom":
                return self.atom(formula.word, *(moved_argument(one, root, to) for one in formula.arguments))
            case "not":
                return self.negation(self.moved(formula.parts[0], root, to))
            case "and":
                return self.every(self.moved(part, root, to) for part in formula.parts)
            case "or":
                return self.any(self.moved(part, root, to) for part in formula.parts)
            case "some" if formula.word != root and formula.body is not None:
                (variable,) = formula.arguments
                assert isinstance(variable, Place)
                return self.some(variable, self.moved(formula.body, root, to))
            case _:
                return formula


def moved_argument(argument: Argument, root: str, to: Place) -> Argument:
    """An argument with another row in the place of the variable."""
    match argument:
        case Place(root=name, path=path):
            return Place(to.root, to.home, to.path + path) if name == root else argument
        case Field(place=place):
            moved = moved_argument(place, root, to)
            assert isinstance(moved, Place)
            return Field(moved, argument.column, argument.sort)
        case Changed(term=term):
            moved = moved_argument(term, root, to)
            assert not isinstance(moved, Place)
            return Changed(argument.how, moved, argument.sort)
        case Constant() | Moment():
            return argument


def follows(given: Formula, wanted: Formula) -> bool:
    """Whether `wanted` follows from `given` by their shape alone: more alternatives, fewer demands. False says nothing."""
    return _Shapes().follows(given, wanted)


def owing(given: Formula, wanted: Formula) -> tuple[tuple[Formula, Formula], ...]:
    """What is left to prove for `wanted` to follow from `given`, in parts of which each by itself is less; empty: nothing."""
    return tuple(dict.fromkeys(_Shapes().owing(given, wanted)))


_MOST_PARTS = 24


class _Shapes:
    """Each pair is looked at once."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], bool] = {}

    def follows(self, given: Formula, wanted: Formula) -> bool:
        """As the function."""
        key = (given.number, wanted.number)
        if key not in self._seen:
            self._seen[key] = self._look(given, wanted)
        return self._seen[key]

    def _look(self, given: Formula, wanted: Formula) -> bool:
        if given is wanted or given.kind == "false" or wanted.kind == "true":
            return True
        if given.kind == "or":
            return all(self.follows(part, wanted) for part in given.parts)
        if wanted.kind == "and":
            return all(self.follows(given, part) for part in wanted.parts)
        if given.kind == "and" and any(self.follows(part, wanted) for part in given.parts):
            return True
        if wanted.kind == "or" and any(self.follows(given, part) for part in wanted.parts):
            return True
        if given.kind == "not" and wanted.kind == "not":
            return self.follows(wanted.parts[0], given.parts[0])
        if given.kind == "some" and wanted.kind == "some" and given.arguments == wanted.arguments:
            assert given.body is not None and wanted.body is not None
            return self.follows(given.body, wanted.body)
        return False

    def owing(self, given: Formula, wanted: Formula) -> list[tuple[Formula, Formula]]:
        """As the function."""
        if self.follows(given, wanted):
            return []
        parts: list[tuple[Formula, Formula]] = []
        if wanted.kind == "and":
            parts = [left for part in wanted.parts for left in self.owing(given, part)]
        elif given.kind == "or":
            parts = [left for part in given.parts for left in self.owing(part, wanted)]
        return parts if 0 < len(parts) <= _MOST_PARTS else [(given, wanted)]
