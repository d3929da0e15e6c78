"""The solver: whether some state of the database could let one formula hold without the other. The one module that knows z3.

A formula is asked about as it is, with true facts about columns and lookups beside it. "Some row" becomes a row of its own
where it is claimed, and is tried with the rows that are there where it is denied: fewer facts, so that what is still impossible is
impossible for sure. What is possible here need not be so in any database, and is no answer.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any, cast

from pgerase.catalog.model import Table
from pgerase.compare.formula import Argument, Changed, Constant, Field, Formula, Formulas, Moment, Place, Term
from pgerase.compare.values import aligned, sort_of
from pgerase.meaning.values import Kind, kind_of

_ROUNDS = 3
_CLAIMED = 16
_TRIED = 250
"""Rows that are made up, and how often rows are tried: more proves little more, and takes long."""
_REAL = frozenset({"number", "text", "folded"})
_SIGNS = {"starts": str.startswith, "ends": str.endswith, "contains": str.__contains__}
_DAY = 86_400_000_000
_EPOCH_DAY = 719_163
"""1970-01-01, as days are counted."""


def is_installed() -> bool:
    """Whether z3 is there: the extra `solver`."""
    return importlib.util.find_spec("z3") is not None


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether it is impossible; `why` says what kept the solver from saying so."""

    proven: bool
    why: str = ""


@dataclass(slots=True)
class _Some:
    """A `some` that was met: the truth it stands for, and in which ways it matters."""

    formula: Formula
    truth: Any
    claimed: bool = False
    denied: bool = False
    witness: Place | None = None
    tried: set[Place] = field(default_factory=set[Place])


class Solver:
    """Asks about formulas of one comparison."""

    def __init__(
        self, formulas: Formulas, tables: Mapping[str, Table], unstored: frozenset[str], milliseconds: int
    ) -> None:
        """`unstored` are the roots of rows that are not stored yet. Raises ImportError where z3 is missing."""
        import z3  # noqa: PLC0415 - an optional extra

        self._z3: Any = z3
        self._formulas = formulas
        self._tables = tables
        self._unstored = unstored
        self._milliseconds = milliseconds

    def is_impossible(self, formula: Formula) -> Proof:
        """Whether the formula can be true for no data at all."""
        return _Question(self._z3, self._formulas, self._tables, self._unstored, self._milliseconds).ask(formula)


class _Question:
    """One formula, with everything it leads to."""

    def __init__(
        self, z3: Any, formulas: Formulas, tables: Mapping[str, Table], unstored: frozenset[str], milliseconds: int
    ) -> None:
        self._z3 = z3
        self._formulas = formulas
        self._tables = tables
        self._unstored = unstored
        self._solver: Any = z3.Solver()
        self._solver.set("timeout", milliseconds)
        # The same question has the same answer on every machine of the same speed.
        self._solver.set("random_seed", 0)
        self._made: dict[tuple[int, bool], Any] = {}
        self._terms: dict[Term, Any] = {}
        self._somes: dict[int, _Some] = {}
        self._rows: dict[str, list[Place]] = {}
        self._exists: dict[Place, Any] = {}
        self._facts: list[Any] = []
        self._witnesses = 0
        self._tried = 0
        self._noted: set[object] = set()
        self._constants: dict[str, dict[object, Any]] = {}
        self._searches: dict[Term, list[tuple[str, Term, Any]]] = {}
        self._moments: dict[Moment, None] = {}

    def ask(self, formula: Formula) -> Proof:
        """The answer."""
        z3 = self._z3
        self._solver.add(self._truth(formula, claimed=True))
        found = self._checked()
        for _ in range(_ROUNDS):
            if found == z3.unsat or not self._spread():
                break
            found = self._checked()
        if found == z3.unsat:
            return Proof(True)
        return Proof(False, "the solver ran out of time" if found == z3.unknown else "")

    def _checked(self) -> Any:
        """What the solver says of everything that is known so far."""
        self._settle()
        self._solver.add(*self._facts)
        self._facts.clear()
        return self._solver.check()

    # -- formulas ------------------------------------------------------------------------------------------------------

    def _truth(self, formula: Formula, *, claimed: bool) -> Any:
        """The formula for z3. `claimed`: it makes a difference where it holds, rather than where it does not."""
        key = (formula.number, claimed)
        if key not in self._made:
            self._made[key] = self._make(formula, claimed=claimed)
        return self._made[key]

    def _make(self, formula: Formula, *, claimed: bool) -> Any:
        z3 = self._z3
        match formula.kind:
            case "true" | "false":
                return z3.BoolVal(formula.kind == "true")
            case "not":
                return z3.Not(self._truth(formula.parts[0], claimed=not claimed))
            case "and":
                return z3.And([self._truth(part, claimed=claimed) for part in formula.parts])
            case "or":
                return z3.Or([self._truth(part, claimed=claimed) for part in formula.parts])
            case "some":
                found = self._somes.get(formula.number)
                if found is None:
                    found = self._somes[formula.number] = _Some(formula, z3.Bool(f"some {formula.number}"))
                if claimed:
                    found.claimed = True
                else:
                    found.denied = True
                return found.truth
            case _:
                return self._atom(formula)

    def _spread(self) -> bool:
        """A row for every `some` that is claimed, and every row for those that are denied. Whether anything was added."""
        z3, added = self._z3, False
        for some in list(self._somes.values()):
            (variable,) = some.formula.arguments
            assert isinstance(variable, Place) and some.formula.body is not None
            if some.claimed and some.witness is None and self._witnesses < _CLAIMED:
                self._witnesses += 1
                some.witness = Place(f"witness {some.formula.number}", variable.table)
                body = self._formulas.moved(some.formula.body, variable.root, some.witness)
                self._solver.add(z3.Implies(some.truth, self._truth(body, claimed=True)))
                self._row(some.witness)
                # It is a row of the table only where there is one; the table may be empty.
                self._exists[some.witness] = some.truth
                added = True
        for some in list(self._somes.values()):
            (variable,) = some.formula.arguments
            assert isinstance(variable, Place) and some.formula.body is not None
            for place in self._rows.get(variable.table, ()) if some.denied else ():
                if place in some.tried or self._tried >= _TRIED:
                    continue
                self._tried += 1
                some.tried.add(place)
                body = self._formulas.moved(some.formula.body, variable.root, place)
                exists = self._exists.get(place, z3.BoolVal(True))
                self._solver.add(z3.Implies(z3.And(exists, self._truth(body, claimed=False)), some.truth))
                added = True
        return added

    def _row(self, place: Place) -> None:
        rows = self._rows.setdefault(place.table, [])
        if not place.path and place.root not in self._unstored and place not in rows:
            rows.append(place)

    # -- atoms ---------------------------------------------------------------------------------------------------------

    def _atom(self, formula: Formula) -> Any:
        z3 = self._z3
        arguments = formula.arguments
        match formula.word:
            case "equal" | "at most":
                a, b = (self._term(cast("Term", one)) for one in arguments)
                return a == b if formula.word == "equal" else a <= b
            case "found":
                place = cast("Place", arguments[0])
                self._note_place(place)
                return self._found(place)
            case "null":
                return self._null(cast("Field", arguments[0]))
            case word:
                made = [self._argument(one) for one in arguments]
                sorts = [one.sort() for one in made]
                predicate = z3.Function(f"{word} {sorts}", *sorts, z3.BoolSort())
                truth = predicate(*made)
                if word in _SIGNS:
                    text, sign = (cast("Term", one) for one in arguments)
                    self._searches.setdefault(text, []).append((word, sign, truth))
                return truth

    def _found(self, place: Place) -> Any:
        return self._z3.Bool(f"found {place!r}") if place.path else self._z3.BoolVal(True)

    def _null(self, term: Field) -> Any:
        self._note_field(term)
        return self._z3.Bool(f"null {term.place!r} {term.column!r}")

    def _argument(self, argument: Argument) -> Any:
        if isinstance(argument, Place):
            self._note_place(argument)
            return self._z3.Int(f"row {argument!r}")
        return self._term(argument)

    def _term(self, term: Term) -> Any:
        if term not in self._terms:
            self._terms[term] = self._make_term(term)
        return self._terms[term]

    def _make_term(self, term: Term) -> Any:
        z3 = self._z3
        match term:
            case Field():
                self._note_field(term)
                made = self._variable(f"value {term.place!r} {term.column!r}", term.sort)
                if term.sort == "boolean":
                    self._facts += [made >= 0, made <= 1]
                return made
            case Constant(value=value, sort=sort):
                if isinstance(value, str):
                    return self._constants.setdefault(sort, {}).setdefault(
                        value, self._variable(f"constant {value!r}", sort)
                    )
                if sort in _REAL:
                    return (
                        z3.Q(value.numerator, value.denominator) if isinstance(value, Fraction) else z3.RealVal(value)
                    )
                return z3.IntVal(value)
            case Moment(sort=sort):
                self._moments[term] = None
                return self._variable(f"moment {term!r}", sort)
            case Changed(how="midnight", term=inner):
                return (self._term(inner) - _EPOCH_DAY) * _DAY
            case Changed(how=how, term=inner, sort=sort):
                made = self._term(inner)
                target = z3.RealSort() if sort in _REAL else z3.IntSort()
                return z3.Function(f"{how} {made.sort()}", made.sort(), target)(made)

    def _variable(self, name: str, sort: str) -> Any:
        return self._z3.Real(f"{name} {sort}") if sort in _REAL else self._z3.Int(f"{name} {sort}")

    # -- facts ---------------------------------------------------------------------------------------------------------

    def _note_place(self, place: Place) -> None:
        """A row is found only where the one before is, and its key is what led there."""
        if place in self._noted:
            return
        self._noted.add(place)
        self._row(place)
        if not place.path:
            return
        *before, lookup = place.path
        source = Place(place.root, place.home, tuple(before))
        self._note_place(source)
        given = [self._found(source)]
        for column, other in lookup.pairs:
            left, right = self._field(source, column), self._field(place, other)
            if left is None or right is None:
                continue
            given += [self._z3.Not(self._null(left[0])), self._z3.Not(self._null(right[0]))]
            one, two = (
                aligned(left[0], left[1], right[1]),
                aligned(right[0], right[1], left[1]),
            )
            given.append(self._term(one) == self._term(two))
        self._facts.append(self._z3.Implies(self._found(place), self._z3.And(given)))

    def _field(self, place: Place, column: str) -> tuple[Field, Kind] | None:
        found = self._tables[place.table].column(column)
        if found is None or found.element_type is not None:
            return None
        kind = kind_of(found)
        return Field(place, column, sort_of(kind, ())), kind

    def _note_field(self, term: Field) -> None:
        key = (term.place, term.column)
        if key in self._noted:
            return
        self._noted.add(key)
        self._note_place(term.place)
        column = self._tables[term.place.table].column(term.column)
        stored = term.place.path or term.place.root not in self._unstored
        if column is not None and column.not_null and not column.may_hold_null and stored:
            null = self._z3.Bool(f"null {term.place!r} {term.column!r}")
            self._facts.append(self._z3.Implies(self._found(term.place), self._z3.Not(null)))

    def _settle(self) -> None:
        """What is known of the constants and moments that were met."""
        self._facts += [*self._of_constants(), *self._of_searches(), *self._of_moments()]

    def _of_constants(self) -> Iterator[Any]:
        for sort, constants in self._constants.items():
            known = [constants[value] for value in sorted(constants, key=str)]
            if sort == "text":
                # Text is ordered by code point, where it is ordered at all.
                yield from (a < b for a, b in pairwise(known))
            elif not sort.startswith("other") and len(known) > 1:
                yield self._z3.Distinct(*known)

    def _of_searches(self) -> Iterator[Any]:
        """What one text begins with, ends in or contains, as far as the constants of the file tell."""
        z3 = self._z3
        texts = self._constants.get("text", {})
        for text, searches in self._searches.items():
            known = [
                (word, str(sign.value), truth)
                for word, sign, truth in searches
                if isinstance(sign, Constant) and isinstance(sign.value, str)
            ]
            for word, sign, truth in known:
                if isinstance(text, Constant):
                    yield truth == bool(_SIGNS[word](str(text.value), sign))
                    continue
                for value, constant in texts.items():
                    yield z3.Implies(self._term(text) == constant, truth == bool(_SIGNS[word](str(value), sign)))
                for other, shorter, implied in known:
                    fits = other in (word, "contains") and _SIGNS[other](sign, shorter)
                    if fits and implied is not truth:
                        yield z3.Implies(truth, implied)

    def _of_moments(self) -> Iterator[Any]:
        """A moment moved less far is the earlier one; a month more, with as many days and seconds, is later, or not earlier."""
        for one in self._moments:
            for two in self._moments:
                if one.sort == two.sort and one != two:
                    later = (one.months - two.months, one.days - two.days, one.seconds - two.seconds)
                    same_month = later[0] == 0 and later[1] * 86_400 + later[2] >= 0
                    if min(later) >= 0 or same_month:
                        yield self._term(one) >= self._term(two)
