"""Compares two sets of rules, table by table and action by action: what is proven, and what is left open."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from pgerase.catalog.model import Catalog, Name
from pgerase.compare.decisions import NEW, OF_COLUMNS, Asker, Decisions
from pgerase.compare.formula import Formula, Formulas, owing
from pgerase.compare.model import Basis, Compared, Side
from pgerase.compare.solver import Proof, Solver, is_installed
from pgerase.errors import PgeraseError
from pgerase.rules.access import AccessRules
from pgerase.rules.conditions import Action

OUT_OF_TIME = "the solver ran out of time"

_Pair: TypeAlias = tuple[Formula, Formula]
"""Given and wanted."""

_FOREIGN = "other policies decide about the table as well"
_NO_SOLVER = "the solver is not installed: pip install 'pgerase[solver]'"
_SUPPORT = "support access opens rows to whoever holds a grant, and does so otherwise than before"
_NOT_SHOWN = "the solver does not rule it out"


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the solver may think: about one question, and, where there are many, until it is asked no more."""

    milliseconds: int = 1000
    seconds: float = 15


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules in force, or that would be: `governed` are the tables in mode on, `opened` those whose rows support grants open, and how."""

    access: AccessRules
    governed: frozenset[Name]
    opened: Mapping[Name, str] = field(default_factory=dict[Name, str])


@dataclass(frozen=True, slots=True)
class _What:
    """What is compared: an action on rows, or on a column of them."""

    table: Name
    action: Action
    column: str = ""


def compare(
    before: Rules | None,
    after: Rules | None,
    catalog: Catalog,
    *,
    foreign: Collection[Name] = (),
    solver: bool | None = None,
    limits: Limits | None = None,
) -> tuple[Compared, ...]:
    """Every action on every table that is governed before or after, as far as it can be proven; see `Comparison`."""
    comparison = Comparison(before, after, catalog, foreign=foreign)
    return comparison.proven(comparison.by_shape(), solver=solver, limits=limits)


class Comparison:
    """One comparison; its formulas are shared, so that what is the same on both sides is one.

    None for rules: nothing is governed. `foreign` are the tables where others' policies decided before, or will again, when ours do
    not. Never raises for what rules say: what cannot be compared is open, with the reason.
    """

    def __init__(
        self, before: Rules | None, after: Rules | None, catalog: Catalog, *, foreign: Collection[Name] = ()
    ) -> None:
        self._rules = (before, after)
        self._foreign = frozenset(foreign)
        self._formulas = Formulas()
        self._tables = {str(name): table for name, table in catalog.tables.items()}
        self._owed: dict[tuple[str, str, Action, bool], tuple[_Pair, ...]] = {}
        """What has to be proven yet: table, column, action, and whether it is about gaining."""
        self._why = ""
        self._decisions: list[Decisions | None] = []
        for which, rules in zip(("in force", "of the pack"), self._rules, strict=True):
            try:
                made = None if rules is None else Decisions(rules.access, catalog, self._formulas)
            except PgeraseError as error:
                self._why = self._why or f"the rules {which} cannot be compared: {error.message}"
                made = None
            self._decisions.append(made)

    def by_shape(self) -> tuple[Compared, ...]:
        """What formulas show without any thought, with nobody asked."""
        tables = {table for rules in self._rules if rules is not None for table in rules.governed}
        rows = [self._compared(_What(table, action)) for table in sorted(tables) for action in Action]
        columns = [
            self._compared(_What(table, action, column))
            for table in sorted(tables)
            for column in self._restricted(table)
            for action in OF_COLUMNS
        ]
        return (*rows, *columns)

    def _restricted(self, table: Name) -> list[str]:
        """The columns of the table that either side restricts."""
        sides = (self._ruling(which, table) for which in (0, 1))
        return sorted({column for one in sides if one is not None for column in one.restricted(table)})

    def proven(
        self, compared: Sequence[Compared], *, solver: bool | None = None, limits: Limits | None = None
    ) -> tuple[Compared, ...]:
        """What `by_shape` gave and is still open, asked of the solver; by default where it is installed."""
        if not (is_installed() if solver is None else solver):
            return tuple(self._with(one, lambda _: Proof(False, _NO_SOLVER)) for one in compared)
        limits = limits or Limits()
        until = time.monotonic() + limits.seconds
        asked = Solver(self._formulas, self._tables, frozenset({NEW}), limits.milliseconds)

        def prove(pairs: tuple[_Pair, ...]) -> Proof:
            for given, wanted in pairs:
                if time.monotonic() > until:
                    return Proof(False, OUT_OF_TIME)
                try:
                    proof = asked.is_impossible(self._formulas.every((given, self._formulas.negation(wanted))))
                except PgeraseError as error:
                    return Proof(False, error.message)
                if not proof.proven:
                    return Proof(False, proof.why or _NOT_SHOWN)
            return Proof(True)

        return tuple(self._with(one, prove) for one in compared)

    def _with(self, one: Compared, prove: Callable[[tuple[_Pair, ...]], Proof]) -> Compared:
        def settled(side: Side, *, gaining: bool) -> Side:
            owed = self._owed.get((one.table, one.column, one.action, gaining))
            if side.answer is not None or owed is None:
                return side
            proof = prove(owed)
            if proof.proven:
                return Side(False, Basis.SOLVER)
            return replace(side, why="; ".join(filter(None, (proof.why, side.why))))

        return replace(one, gains=settled(one.gains, gaining=True), losses=settled(one.losses, gaining=False))

    def _compared(self, what: _What) -> Compared:
        gains, losses = self._with_support(what, *self._sides(what))
        return Compared(str(what.table), what.action, gains, losses, what.column)

    def _sides(self, what: _What) -> tuple[Side, Side]:
        table = what.table
        was, will = (rules is not None and table in rules.governed for rules in self._rules)
        none = Side(False, Basis.RULES)
        if table in self._foreign and not (was and will):
            unknown = Side(None, Basis.OPEN, _FOREIGN)
            return unknown, unknown
        if self._why:
            unknown = Side(None, Basis.OPEN, self._why)
            return (unknown if was else none), (unknown if will else none)
        try:
            pairs = tuple(self._pairs(what))
        except PgeraseError as error:
            unknown = Side(None, Basis.OPEN, error.message)
            return (unknown if was else none), (unknown if will else none)
        if was and will and all(before is after for before, after in pairs):
            same = Side(False, Basis.UNCHANGED)
            return same, same
        # Where a table is not governed, grants alone decide: rules can only take rows away.
        gains = self._never(what, True, [(after, before) for before, after in pairs]) if was else none
        losses = self._never(what, False, pairs) if will else none
        return gains, losses

    def _with_support(self, what: _What, gains: Side, losses: Side) -> tuple[Side, Side]:
        """Who will hold a support grant, and about whom, nobody knows; where both open the same rows it makes no difference."""
        before, after = (None if rules is None else rules.opened.get(what.table) for rules in self._rules)
        if before == after or what.action is not Action.READ or what.column:
            return gains, losses
        governed = all(rules is not None and what.table in rules.governed for rules in self._rules)
        return (
            self._unproven(what, gains, gaining=True) if after is not None and governed else gains,
            self._unproven(what, losses, gaining=False) if before is not None and governed else losses,
        )

    def _unproven(self, what: _What, side: Side, *, gaining: bool) -> Side:
        """What formulas cannot tell: they say nothing of grants."""
        self._owed.pop((str(what.table), what.column, what.action, gaining), None)
        return replace(side, answer=None, basis=Basis.OPEN, why="; ".join(filter(None, (side.why, _SUPPORT))))

    def _pairs(self, what: _What) -> Iterator[tuple[Formula, Formula]]:
        """The formulas before and after, for viewers and for each role without identity. Raises PgeraseError."""
        known = {one.known_by() for one in self._decisions if one is not None}
        if len(known) > 1:
            raise PgeraseError("viewers are other people than before, or known by another key")
        viewers = [one.viewer() for one in self._decisions if one is not None]
        roles = sorted({role for one in self._decisions if one is not None for role in one.roles()})
        askers = [
            *(viewer for viewer in viewers[:1] if viewer is not None),
            *(Asker(None, role) for role in (*roles, "")),
        ]
        for asker in askers:
            before, after = (self._allowed(which, asker, what) for which in (0, 1))
            parts = max(len(before), len(after))
            yield from zip(self._padded(before, parts), self._padded(after, parts), strict=True)
            if what.action is Action.UPDATE and not what.column:
                yield from self._handed_over(asker, what.table)

    def _padded(self, formulas: tuple[Formula, ...], length: int) -> tuple[Formula, ...]:
        """Where a table is not governed everything is allowed."""
        return formulas or (self._formulas.true,) * length

    def _ruling(self, which: int, table: Name) -> Decisions | None:
        """What decides about the table on one side."""
        rules = self._rules[which]
        return self._decisions[which] if rules is not None and table in rules.governed else None

    def _allowed(self, which: int, asker: Asker, what: _What) -> tuple[Formula, ...]:
        decisions = self._ruling(which, what.table)
        if decisions is None:
            return ()
        if what.column:
            return (decisions.of_column(asker, what.table, what.column, what.action),)
        return decisions.allowed(asker, what.table, what.action)

    def _handed_over(self, asker: Asker, table: Name) -> Iterator[tuple[Formula, Formula]]:
        """Handing over gives nothing where a table is not governed: there is nothing to be given."""
        before, after = (self._ruling(which, table) for which in (0, 1))
        if before is None or after is None:
            return
        for column in sorted(before.handed(table) | after.handed(table)):
            yield before.handed_over(asker, table, column), after.handed_over(asker, table, column)

    def _never(self, what: _What, gaining: bool, pairs: Sequence[_Pair]) -> Side:
        """Whether the first formula never holds without the second; what is owed for it is kept."""
        owed = dict.fromkeys(left for given, wanted in pairs for left in owing(given, wanted))
        if not owed:
            return Side(False, Basis.RULES)
        self._owed[str(what.table), what.column, what.action, gaining] = tuple(owed)
        return Side(None, Basis.OPEN)
