"""Decisions as formulas: docs/meaning.md, points 11 to 24 and 38, word for word as `pgerase.meaning.decide` has them."""

from __future__ import annotations

from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Name
from pgerase.compare.conditions import Encoder, May, Scope
from pgerase.compare.formula import Formula, Formulas, Place
from pgerase.meaning.columns import column_grant
from pgerase.meaning.conditions import names_viewer
from pgerase.meaning.structure import OWN, Parent, Structure, parent_action, roles_of
from pgerase.rules.access import AccessRules, Expression, ExpressionAnd, Requirement, Resource, Rule, Term
from pgerase.rules.conditions import Action

OF_COLUMNS = (Action.READ, Action.INSERT, Action.UPDATE)
"""What is done with columns; rows are deleted as wholes."""
ROW = "row"
NEW = "new row"
"""The root of rows that are not stored yet: columns that may not be null could be null in them."""


@dataclass(frozen=True, slots=True)
class Asker:
    """A viewer, or, where `person` is None, a session without identity in a role."""

    person: Place | None
    role: str = ""


@dataclass(frozen=True, slots=True)
class _Question:
    """As `pgerase.meaning.decide` asks."""

    asker: Asker
    resource: Resource
    action: Action
    row: Place
    becoming: bool = False


class Decisions:
    """What one set of rules decides, as formulas."""

    def __init__(self, rules: AccessRules, catalog: Catalog, formulas: Formulas) -> None:
        """Raises PgeraseError where the rules do not fit the catalog."""
        self._formulas = formulas
        self._encoder = Encoder(rules, catalog, formulas)
        self._structure = Structure(rules, self._encoder.facts)
        self._by_table = {self._structure.table(one).name: one for one in rules.resources}
        self._decided: dict[tuple[Asker, str, Action, Place, bool], Formula] = {}

    def viewer(self) -> Asker | None:
        """The viewer, about whom nothing is known; None where every rule names a role."""
        viewers = self._encoder.viewers
        if viewers is None:
            return None
        return Asker(Place("viewer", str(self._encoder.facts.table(viewers.table).name)))

    def known_by(self) -> tuple[Name, str] | None:
        """The viewers' table and its key."""
        viewers = self._encoder.viewers
        return None if viewers is None else (self._encoder.facts.table(viewers.table).name, viewers.key)

    def roles(self) -> frozenset[str]:
        """The roles that rules name."""
        rules = [rule for resource in self._encoder.rules.resources for rule in resource.rules]
        return frozenset(role for rule in rules for role in roles_of(rule) or ())

    def allowed(self, asker: Asker, table: Name, action: Action) -> tuple[Formula, ...]:
        """The decision about rows of the table; of an update about the row as it is, the row left behind, then of handing over.

        Raises PgeraseError, NotComparable among them, where there is no formula.
        """
        resource = self._by_table[table]
        row, new = Place(ROW, str(table)), Place(NEW, str(table))
        active = self._formulas.true if asker.person is None else self._encoder.is_active(asker.person)
        match action:
            case Action.INSERT:
                found = [self._may_leave(asker, resource, action, new)]
            case Action.UPDATE:
                touched = self._may_touch(asker, resource, action, row)
                found = [touched, self._may_leave(asker, resource, action, new)]
            case _:
                found = [self._may_touch(asker, resource, action, row)]
        return tuple(self._formulas.every((active, one)) for one in found)

    def handed_over(self, asker: Asker, table: Name, column: str) -> Formula:
        """Whether the asker may put somebody else into the column (point 38). Raises PgeraseError as `allowed`."""
        resource = self._by_table[table]
        if asker.person is None or column not in self.handed(table):
            return self._formulas.false
        row, new, heir = Place(ROW, str(table)), Place(NEW, str(table)), Place("heir", asker.person.table)
        parts = [self._encoder.is_active(asker.person), self._encoder.is_active(heir)]
        parts.append(self._may_touch(asker, resource, Action.UPDATE, row))
        parts += [
            self._requirements_hold(_Question(asker, resource, action, new)) for action in (Action.UPDATE, Action.READ)
        ]
        return self._formulas.every(parts)

    def handed(self, table: Name) -> frozenset[str]:
        """The columns that may be handed over."""
        return frozenset(one.column for one in self._by_table[table].hand_over)

    def restricted(self, table: Name) -> frozenset[str]:
        """The columns that not everyone may read, fill in or change."""
        resource = self._by_table[table]
        return frozenset(
            column.name
            for column in self._structure.table(resource).columns
            if any(column_grant(resource, column.name, action) is not None for action in OF_COLUMNS)
        )

    def of_column(self, asker: Asker, table: Name, column: str, action: Action) -> Formula:
        """Whether rights on columns let the asker read, fill in or change it (points 40 and 41). Raises PgeraseError as `allowed`."""
        resource, formulas, encoder = self._by_table[table], self._formulas, self._encoder
        row, new = Place(ROW, str(table)), Place(NEW, str(table))
        rows = {Action.READ: (row,), Action.INSERT: (new,)}.get(action, (row, new))
        parts = [formulas.true if asker.person is None else encoder.is_active(asker.person)]
        for asked in dict.fromkeys((Action.READ, action)):
            grant = column_grant(resource, column, asked)
            if grant is None:
                continue
            nobody = asker.person is None and (grant.who is not None or names_viewer(grant.rows))
            if grant.everyone is False or nobody:
                return formulas.false
            if asker.person is not None:
                parts.append(encoder.who(asker.person, grant.who).true)
            may = None if asker.person is None else self._may_of(asker)
            parts += [encoder.holds(grant.rows, Scope(one, person=asker.person, row=one, may=may)).true for one in rows]
        return formulas.every(parts)

    # -- decisions on old and new rows (points 20 to 22) ---------------------------------------------------------------

    def _may(self, asker: Asker, resource: Resource, action: Action, row: Place) -> Formula:
        touch = self._may_leave if action is Action.INSERT else self._may_touch
        return touch(asker, resource, action, row)

    def _may_touch(self, asker: Asker, resource: Resource, action: Action, row: Place) -> Formula:
        allowed = self._decision(_Question(asker, resource, action, row))
        if action in (Action.UPDATE, Action.DELETE):
            read = self._decision(_Question(asker, resource, Action.READ, row))
            return self._formulas.every((allowed, read))
        return allowed

    def _may_leave(self, asker: Asker, resource: Resource, action: Action, new: Place) -> Formula:
        allowed = self._decision(_Question(asker, resource, action, new, becoming=True))
        if action is Action.UPDATE:
            return self._formulas.every((allowed, self._decision(_Question(asker, resource, Action.READ, new))))
        return allowed

    def _decision(self, question: _Question) -> Formula:
        memo = (question.asker, question.resource.name, question.action, question.row, question.becoming)
        if memo not in self._decided:
            granted = self._formulas.any((self._is_super_admin(question.asker), self._combined(question)))
            self._decided[memo] = self._formulas.every((self._requirements_hold(question), granted))
        return self._decided[memo]

    def _is_super_admin(self, asker: Asker) -> Formula:
        return self._formulas.false if asker.person is None else self._encoder.is_super_admin(asker.person)

    # -- grants (points 11 to 16) --------------------------------------------------------------------------------------

    def _combined(self, question: _Question) -> Formula:
        formulas = self._formulas
        if question.asker.person is None:
            return self._own(question)
        parents = [self._parent_grants(question, parent) for parent in self._restricting(question)]
        rest = formulas.any((self._own(question), *parents))
        for entry in reversed(question.resource.combine):
            matches = self._encoder.who(question.asker.person, entry.who)
            holds = self._expression(question, entry.expression) or formulas.false
            unknown = formulas.negation(formulas.any((matches.true, matches.false)))
            rest = formulas.any(
                (
                    formulas.every((matches.true, holds)),
                    formulas.every((matches.false, rest)),
                    formulas.every((unknown, holds, rest)),
                )
            )
        return rest

    def _expression(self, question: _Question, expression: Expression) -> Formula | None:
        """None where every term in it dropped out (point 15)."""
        if isinstance(expression, Term):
            if expression.name == OWN:
                return self._own(question)
            parents = [one for one in self._restricting(question) if one.resource.name == expression.name]
            return self._formulas.every(self._parent_grants(question, one) for one in parents) if parents else None
        left = [found for part in expression.parts if (found := self._expression(question, part)) is not None]
        if not left:
            return None
        return self._formulas.every(left) if isinstance(expression, ExpressionAnd) else self._formulas.any(left)

    def _own(self, question: _Question) -> Formula:
        if question.asker.person is not None and self._structure.is_open(question.resource, question.action):
            return self._formulas.true
        return self._formulas.any(self._rule_grants(question, rule) for rule in question.resource.rules)

    def _rule_grants(self, question: _Question, rule: Rule) -> Formula:
        formulas, encoder, row = self._formulas, self._encoder, question.row
        if question.action not in rule.can:
            return formulas.false
        condition = rule.becomes if question.becoming and rule.becomes is not None else rule.rows
        viewer, roles = question.asker.person, roles_of(rule)
        if viewer is None:
            if roles is None or question.asker.role not in roles:
                return formulas.false
            return encoder.holds(condition, Scope(row, row=row)).true
        if roles is not None:
            return formulas.false
        may = self._may_of(question.asker)

        def grants(person: Place) -> Formula:
            rows = encoder.holds(condition, Scope(row, person=person, row=row, may=may))
            return formulas.every((encoder.who(person, rule.who).true, rows.true))

        return encoder.in_reach(viewer, grants) if rule.hierarchy else grants(viewer)

    def _restricting(self, question: _Question) -> list[Parent]:
        above = parent_action(question.action)
        parents = self._structure.parents(question.resource)
        return [parent for parent in parents if not self._structure.is_open(parent.resource, above)]

    def _parent_grants(self, question: _Question, parent: Parent) -> Formula:
        if question.asker.person is None:
            return self._formulas.false
        above = self._encoder.hop(question.row, parent.lookup)
        allowed = self._may_touch(question.asker, parent.resource, parent_action(question.action), above)
        return self._formulas.every((self._encoder.found(above), allowed))

    def _may_of(self, asker: Asker) -> May:
        def may(row: Place, action: Action) -> Formula:
            resource = self._structure.resource_of(self._encoder.table_of(row))
            return self._may(asker, resource, action, row)

        return may

    # -- requirements (points 17 and 18) -------------------------------------------------------------------------------

    def _requirements_hold(self, question: _Question) -> Formula:
        return self._formulas.every(
            self._formulas.any(
                (
                    self._spares(question.asker, requirement),
                    self._requirement_holds(question.asker, requirement, question.resource, question.row),
                )
            )
            for requirement in self._structure.requirements(question.resource)
            if question.action in requirement.can
        )

    def _spares(self, asker: Asker, requirement: Requirement) -> Formula:
        """Where `who` is false it does not bind."""
        return self._formulas.false if asker.person is None else self._encoder.who(asker.person, requirement.who).false

    def _requirement_holds(self, asker: Asker, requirement: Requirement, resource: Resource, row: Place) -> Formula:
        if any(requirement is own for own in resource.require):
            return self._holds_on(asker, requirement, row)
        formulas, found = self._formulas, list[Formula]()
        for carrier in self._structure.carriers(resource, requirement):
            for parent in self._structure.parents(resource):
                if parent.resource is carrier:
                    above = self._encoder.hop(row, parent.lookup)
                    found += [
                        self._encoder.found(above),
                        self._requirement_holds(asker, requirement, carrier, above),
                    ]
        return formulas.every(found)

    def _holds_on(self, asker: Asker, requirement: Requirement, row: Place) -> Formula:
        if asker.person is None:
            if names_viewer(requirement.rows):
                return self._formulas.false
            return self._encoder.holds(requirement.rows, Scope(row, row=row)).true
        scope = Scope(row, person=asker.person, row=row, may=self._may_of(asker))
        return self._encoder.holds(requirement.rows, scope).true
