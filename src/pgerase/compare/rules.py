"""Compares two sets of rules, table by table and action by action: what is proven, and what is left open."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Name
from pgerase.compare.decisions import NEW, Asker, Decisions
from pgerase.compare.formula import Formula, Formulas, follows
from pgerase.compare.model import Basis, Compared, Side
from pgerase.compare.solver import Proof, Solver, is_installed
from pgerase.errors import PgeraseError
from pgerase.rules.access import AccessRules
from pgerase.rules.conditions import Action

MILLISECONDS = 1000
"""For each question to the solver."""

_FOREIGN = "other policies decide about the table as well"
_NO_SOLVER = "the solver is not installed: pip install 'pgerase[solver]'"
_NOT_SHOWN = "the solver does not rule it out"


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules in force, or that would be: `governed` are the tables in mode on."""

    access: AccessRules
    governed: frozenset[Name]


def compare(
    before: Rules | None,
    after: Rules | None,
    catalog: Catalog,
    *,
    foreign: Collection[Name] = (),
    solver: bool | None = None,
    milliseconds: int = MILLISECONDS,
) -> tuple[Compared, ...]:
    """Every action on every table that is governed before or after. None: nothing is governed.

    `foreign` are the tables where others' policies decided before, or will again, when ours do not. `solver`: whether to ask it; by
    default where it is installed. Never raises for what rules say: what cannot be compared is open, with the reason.
    """
    asks = is_installed() if solver is None else solver
    return _Comparison(before, after, catalog, frozenset(foreign), asks, milliseconds).all()


class _Comparison:
    """One comparison; its formulas are shared, so that what is the same on both sides is one."""

    def __init__(
        self,
        before: Rules | None,
        after: Rules | None,
        catalog: Catalog,
        foreign: frozenset[Name],
        asks: bool,
        milliseconds: int,
    ) -> None:
        self._rules = (before, after)
        self._foreign = foreign
        self._formulas = Formulas()
        self._solver: Solver | None = None
        if asks:
            tables = {str(name): table for name, table in catalog.tables.items()}
            self._solver = Solver(self._formulas, tables, frozenset({NEW}), milliseconds)
        self._why = ""
        self._decisions: list[Decisions | None] = []
        for which, rules in zip(("in force", "of the pack"), self._rules, strict=True):
            try:
                made = None if rules is None else Decisions(rules.access, catalog, self._formulas)
            except PgeraseError as error:
                self._why = self._why or f"the rules {which} cannot be compared: {error.message}"
                made = None
            self._decisions.append(made)

    def all(self) -> tuple[Compared, ...]:
        tables = {table for rules in self._rules if rules is not None for table in rules.governed}
        return tuple(self._compared(table, action) for table in sorted(tables) for action in Action)

    def _compared(self, table: Name, action: Action) -> Compared:
        gains, losses = self._sides(table, action)
        return Compared(str(table), action, gains, losses)

    def _sides(self, table: Name, action: Action) -> tuple[Side, Side]:
        was, will = (rules is not None and table in rules.governed for rules in self._rules)
        none = Side(False, Basis.RULES)
        if table in self._foreign and not (was and will):
            unknown = Side(None, Basis.OPEN, _FOREIGN)
            return unknown, unknown
        if self._why:
            unknown = Side(None, Basis.OPEN, self._why)
            return (unknown if was else none), (unknown if will else none)
        try:
            pairs = tuple(self._pairs(table, action))
        except PgeraseError as error:
            unknown = Side(None, Basis.OPEN, error.message)
            return (unknown if was else none), (unknown if will else none)
        if was and will and all(before is after for before, after in pairs):
            same = Side(False, Basis.UNCHANGED)
            return same, same
        # Where a table is not governed, grants alone decide: rules can only take rows away.
        gains = self._never([(after, before) for before, after in pairs]) if was else none
        losses = self._never(list(pairs)) if will else none
        return gains, losses

    def _pairs(self, table: Name, action: Action) -> Iterator[tuple[Formula, Formula]]:
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
            before, after = (self._allowed(which, asker, table, action) for which in (0, 1))
            parts = max(len(before), len(after))
            yield from zip(self._padded(before, parts), self._padded(after, parts), strict=True)
            if action is Action.UPDATE:
                yield from self._handed_over(asker, table)

    def _padded(self, formulas: tuple[Formula, ...], length: int) -> tuple[Formula, ...]:
        """Where a table is not governed everything is allowed."""
        return formulas or (self._formulas.true,) * length

    def _allowed(self, which: int, asker: Asker, table: Name, action: Action) -> tuple[Formula, ...]:
        rules, decisions = self._rules[which], self._decisions[which]
        if rules is None or decisions is None or table not in rules.governed:
            return ()
        return decisions.allowed(asker, table, action)

    def _handed_over(self, asker: Asker, table: Name) -> Iterator[tuple[Formula, Formula]]:
        """Handing over gives nothing where a table is not governed: there is nothing to be given."""
        sides = [
            decisions if rules is not None and decisions is not None and table in rules.governed else None
            for rules, decisions in zip(self._rules, self._decisions, strict=True)
        ]
        before, after = sides
        if before is None or after is None:
            return
        for column in sorted(before.handed(table) | after.handed(table)):
            yield before.handed_over(asker, table, column), after.handed_over(asker, table, column)

    def _never(self, pairs: list[tuple[Formula, Formula]]) -> Side:
        """Whether the first formula never holds without the second."""
        left = [(given, wanted) for given, wanted in pairs if not follows(given, wanted)]
        if not left:
            return Side(False, Basis.RULES)
        if self._solver is None:
            return Side(None, Basis.OPEN, _NO_SOLVER)
        for given, wanted in left:
            proof: Proof = self._solver.is_impossible(self._formulas.every((given, self._formulas.negation(wanted))))
            if not proof.proven:
                return Side(None, Basis.OPEN, proof.why or _NOT_SHOWN)
        return Side(False, Basis.SOLVER)
