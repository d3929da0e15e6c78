"""A decision with its reasons: docs/meaning.md, points 11 to 24, told instead of answered.

Follows the same definition as `decide` without asking it, over the same facts, people and conditions; whoever asks compares the two. Of the
people within reach it shows one a rule, the one who grants it or came nearest, so that reasons stay few however many they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pgerase.meaning.conditions import Conditions, May, names_viewer, person_scope, rows_scope, walk, who_scope
from pgerase.meaning.explain_conditions import ConditionReasons, Decide, key_of, row_name, whose
from pgerase.meaning.paths import Facts, Lookup, Row
from pgerase.meaning.people import People
from pgerase.meaning.reasons import Distances, Join, Kind, Reason, every, some
from pgerase.meaning.structure import OWN, Parent, Structure, parent_action, roles_of
from pgerase.meaning.support import SupportAccess
from pgerase.meaning.truth import and3, not3, or3
from pgerase.meaning.words import say
from pgerase.rules.access import (
    Aggregate,
    Combine,
    Expression,
    ExpressionAnd,
    Requirement,
    Resource,
    Rule,
    Term,
)
from pgerase.rules.conditions import Action, Condition, ViewerRef

_NEAR = 20
"""People for whom `who` holds of whom the nearest is looked for, where none grants."""


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: an active viewer, or (None) a session without identity, which is known by its role alone."""

    viewer: Row | None
    current_user: str


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """May `asker` do `action` to this row of `resource`? `becoming`: it is a new row, judged by `becomes` where given."""

    asker: Asker
    resource: Resource
    action: Action
    row: Row
    becoming: bool = False
    in_the_end: bool = False
    """It is what the session asks itself, and nothing that another decision is made of: support access counts."""


class Explainer:
    """Explains decisions over given rows."""

    def __init__(
        self,
        structure: Structure,
        facts: Facts,
        people: People | None,
        conditions: Conditions,
        *,
        values: bool,
        support: SupportAccess | None = None,
    ) -> None:
        """`values`: reasons hold what was compared, too."""
        self._support = support
        self._structure = structure
        self._facts = facts
        self._people = people
        self._conditions = conditions
        self._reasons = ConditionReasons(facts, people, conditions, values=values)
        self._decisions: dict[tuple[Asker, str, Action, Row, bool, bool], Reason] = {}
        self._distances = Distances()
        self._chains: dict[Row, dict[Row, tuple[Row, ...]]] = {}

    # -- the answer ----------------------------------------------------------------------------------------------------

    def explain(
        self,
        identity: str | None,
        current_user: str,
        resource: Resource,
        action: Action,
        row: Row | None,
        new: Row | None,
    ) -> Reason:
        """Why the session may do that to `row` or not, and leave `new` behind. Without a row: there is none with that key.

        Raises PgeraseError as `Meaning.decide` does.
        """
        table = self._structure.table(resource)
        here = row or new
        key = "" if here is None else key_of(here)
        viewer, asker = self._asker(identity, current_user)
        if asker is None:
            return every(Kind.ANSWER, (viewer,), name=resource.name, action=action, key=key)
        parts = [viewer]
        if action is not Action.INSERT:
            says = "" if row is not None else f"{table.name} has no such row"
            parts.append(Reason(Kind.ROW, row is not None, name=str(table.name), says=says, key=key))
        if row is not None:
            parts.append(self._touch(asker, resource, action, row, in_the_end=action is Action.READ))
        if new is not None and (row is not None or action is Action.INSERT):
            parts.append(self._leave(asker, resource, action, new))
        return every(Kind.ANSWER, tuple(parts), name=resource.name, action=action, key=key)

    def aggregate(self, identity: str | None, current_user: str, one: Aggregate) -> Reason:
        """Why an aggregate shows its groups to the session, or is empty. Raises PgeraseError as `Meaning.aggregate` does."""
        viewer, asker = self._asker(identity, current_user)
        if asker is None or asker.viewer is None:
            says = "presents nobody, and aggregates are for viewers" if asker is not None else viewer.says
            viewer = replace(viewer, truth=False, says=says)
            return every(Kind.ANSWER, (viewer,), name=one.name, action=Action.READ)
        who = self._who(one.who, asker.viewer, asker.viewer)
        return every(Kind.ANSWER, (viewer, who), name=one.name, action=Action.READ)

    def _asker(self, identity: str | None, current_user: str) -> tuple[Reason, Asker | None]:
        if not identity:
            says = "presents nobody, and is known by its role"
            return Reason(Kind.VIEWER, True, name=current_user, says=says), Asker(None, current_user)
        if self._people is None:
            return Reason(Kind.VIEWER, False, says="the rule file has no viewers", key=identity), None
        person = self._people.identify(identity)
        at = self._people.viewers.at
        if person is None:
            table = self._people.viewers.table
            return Reason(Kind.VIEWER, False, says=f"nobody in {table} has that key", at=at, key=identity), None
        active = self._reasons.active(person, self._people)
        viewer = every(Kind.VIEWER, (active,), at=at, key=identity)
        return viewer, Asker(person, current_user) if active.truth is True else None

    def _touch(self, asker: Asker, resource: Resource, action: Action, row: Row, *, in_the_end: bool = False) -> Reason:
        allowed = self._decision(_Question(asker, resource, action, row, in_the_end=in_the_end))
        if action not in (Action.UPDATE, Action.DELETE):
            return allowed
        read = self._decision(_Question(asker, resource, Action.READ, row))
        return every(Kind.ALL, (allowed, read), says=f"whoever may {action} a row has to be allowed to read it")

    def _leave(self, asker: Asker, resource: Resource, action: Action, new: Row) -> Reason:
        allowed = self._decision(_Question(asker, resource, action, new, becoming=True))
        if action is not Action.UPDATE:
            return allowed
        read = self._decision(_Question(asker, resource, Action.READ, new))
        return every(Kind.ALL, (allowed, read), says="the new row has to be one that may be read")

    def _may(self, asker: Asker, resource: Resource, action: Action, row: Row) -> Reason:
        touch = self._leave if action is Action.INSERT else self._touch
        return touch(asker, resource, action, row)

    def _decision(self, question: _Question) -> Reason:
        row = question.row
        memo = (question.asker, question.resource.name, question.action, row, question.becoming, question.in_the_end)
        if memo not in self._decisions:
            requirements = [
                self._requirement(question.asker, one, question.resource, row)
                for one in self._structure.requirements(question.resource)
                if question.action in one.can
            ]
            self._decisions[memo] = every(
                Kind.DECISION,
                (*requirements, self._grant(question)),
                name=question.resource.name,
                says="as a new row" if question.becoming else "",
                at=question.resource.at,
                action=question.action,
                key=key_of(row),
            )
        return self._decisions[memo]

    # -- grants --------------------------------------------------------------------------------------------------------

    def _grant(self, question: _Question) -> Reason:
        viewer = question.asker.viewer
        if viewer is None:
            return some(Kind.GRANT, (self._own(question),))
        ways = [self._combined(question, question.resource.combine), *self._supported(question, viewer)]
        condition = self._known_people().viewers.super_admin
        if condition is None:
            return some(Kind.GRANT, tuple(ways))
        holds = self._reasons.why(condition, person_scope(viewer), viewer=viewer)
        return some(Kind.GRANT, (every(Kind.SUPER_ADMIN, (holds,), at=condition.at), *ways))

    def _supported(self, question: _Question, viewer: Row) -> tuple[Reason, ...]:
        """The viewer's support grants, where rules know of any; whether each opens the row, and why not."""
        if self._support is None or not question.in_the_end:
            return ()
        told: list[Reason] = []
        for grant in self._support.of(viewer):
            why_not = self._support.why_not(grant, viewer, question.row, self._in_sight)
            ticket = f", ticket {grant.ticket}" if grant.ticket else ""
            kind = "break-glass" if grant.is_break_glass else "support"
            says = f"{kind} grant {grant.number} until {grant.until:%Y-%m-%d %H:%M %Z}, for {grant.subject} {grant.person}{ticket}"
            says += f": {why_not}" if why_not else ""
            told.append(Reason(Kind.SUPPORT_GRANT, not why_not, says=says, at=self._support.at, key=str(grant.number)))
        return (some(Kind.SUPPORT, tuple(told), at=self._support.at),) if told else ()

    def _in_sight(self, viewer: Row, person: Row) -> bool:
        """Whether what is required of reading the person's own row holds for the viewer."""
        resource = self._structure.found(person.table)
        return resource is None or all(
            self._requirement(Asker(viewer, ""), one, resource, person).truth is True
            for one in self._structure.requirements(resource)
            if Action.READ in one.can
        )

    def _combined(self, question: _Question, entries: Sequence[Combine]) -> Reason:
        """The first entry of `combine` that fits, and what comes after it where that is not known; at the end the union."""
        viewer = question.asker.viewer
        assert viewer is not None
        if not entries:
            parents = [self._parent(question, parent) for parent in self._restricting(question)]
            return some(Kind.UNION, (self._own(question), *parents))
        entry, rest = entries[0], entries[1:]
        who = self._who(entry.who, viewer, viewer)
        parts = [who]
        if who.truth is not False:
            says = ", which was all in it, is open to everyone and grants nothing"
            expression = self._expression(question, entry.expression)
            parts.append(expression or Reason(Kind.EXPRESSION, False, says=f"every parent{says}", at=entry.at))
        if who.truth is not True:
            parts.append(self._combined(question, rest))
        truth = all(part.truth is True for part in parts[1:])
        return Reason(Kind.COMBINE, truth, Join.CHOICE, name=entry.name, at=entry.at, parts=tuple(parts))

    def _expression(self, question: _Question, expression: Expression) -> Reason | None:
        """None where every term of it drops out."""
        if isinstance(expression, Term):
            if expression.name == OWN:
                return self._own(question)
            parents = [one for one in self._restricting(question) if one.resource.name == expression.name]
            return self._parent(question, parents[0]) if parents else None
        parts = tuple(part for each in expression.parts if (part := self._expression(question, each)) is not None)
        if not parts:
            return None
        if isinstance(expression, ExpressionAnd):
            return Reason(Kind.EXPRESSION, and3(part.truth for part in parts), Join.ALL, says="all of", parts=parts)
        return Reason(Kind.EXPRESSION, or3(part.truth for part in parts), Join.ANY, says="any of", parts=parts)

    def _own(self, question: _Question) -> Reason:
        parts: list[Reason] = []
        resource = question.resource
        if question.asker.viewer is not None:
            is_open = self._structure.is_open(resource, question.action)
            says = f"everyone: {resource.everyone}"
            if not is_open and resource.everyone.covers(question.action):
                says += ", which a parent that is not open supersedes"
            parts.append(Reason(Kind.EVERYONE, is_open, says=says, at=resource.at))
        parts += [self._rule(question, rule) for rule in resource.rules]
        return some(Kind.OWN, tuple(parts))

    def _rule(self, question: _Question, rule: Rule) -> Reason:
        gives = question.action in rule.can
        listed = ", ".join(action for action in Action if action in rule.can)
        parts = [Reason(Kind.ACTION, gives, says=f"gives {listed}", at=rule.at, action=question.action)]
        roles, asker = roles_of(rule), question.asker
        condition = rule.becomes if question.becoming and rule.becomes is not None else rule.rows
        if roles is not None:
            fits = asker.viewer is None and asker.current_user in roles
            says = f"is for sessions of {' or '.join(roles)} that present nobody"
            parts.append(Reason(Kind.ROLE, fits, says=says, at=rule.at))
            if fits:
                parts.append(self._rows(condition, question.row, None, asker))
        elif asker.viewer is None:
            parts.append(Reason(Kind.ROLE, False, says="is for people, and the session presents nobody", at=rule.at))
        else:
            parts.append(self._people_of(asker, asker.viewer, rule, condition, question.row))
        return every(Kind.RULE, tuple(parts), name=rule.name, at=rule.at)

    def _people_of(self, asker: Asker, viewer: Row, rule: Rule, condition: Condition | None, row: Row) -> Reason:
        """One person within reach: who grants it, the viewer himself first and then the nearest; else who came nearest to it."""
        people = self._known_people()
        if viewer not in self._chains:
            self._chains[viewer] = people.chains(viewer)
        chains = self._chains[viewer] if rule.hierarchy else {viewer: ()}
        fitting = [person for person in chains if people.who(person, rule.who) is True]
        may = self._may_of(asker)
        same_for_all = not any(isinstance(node, ViewerRef) for node in walk(condition))
        asked = fitting[:1] if same_for_all else fitting
        granting = next(
            (one for one in asked if self._conditions.holds(condition, rows_scope(row, one, may)) is True), None
        )

        def told(person: Row) -> Reason:
            return every(
                Kind.PERSON,
                (self._who(rule.who, person, viewer), self._rows(condition, row, person, asker)),
                key=key_of(person),
                chain=tuple(key_of(manager) for manager in chains[person]),
            )

        if granting is not None:
            shown = told(granting)
        else:
            shown = min((told(person) for person in (asked or [viewer])[:_NEAR]), key=self._distances.of)
        return some(Kind.PEOPLE, (shown,), count=(len(fitting), len(chains)))

    def _who(self, condition: Condition | None, person: Row, viewer: Row) -> Reason:
        reason = self._reasons.why(condition, who_scope(person), viewer=viewer)
        says = "" if condition is not None else "anybody"
        return Reason(Kind.WHO, reason.truth, Join.ALL, says=says, at=reason.at, parts=(reason,))

    def _rows(self, condition: Condition | None, row: Row, person: Row | None, asker: Asker) -> Reason:
        may = None if asker.viewer is None else self._may_of(asker)
        scope = rows_scope(row, person, may)
        decide = None if asker.viewer is None else self._decide_of(asker)
        reason = self._reasons.why(condition, scope, viewer=asker.viewer, decide=decide)
        says = "" if condition is not None else "any row"
        return Reason(Kind.ROWS, reason.truth, Join.ALL, says=says, at=reason.at, parts=(reason,))

    def _restricting(self, question: _Question) -> list[Parent]:
        above = parent_action(question.action)
        parents = self._structure.parents(question.resource)
        return [parent for parent in parents if not self._structure.is_open(parent.resource, above)]

    def _parent(self, question: _Question, parent: Parent) -> Reason:
        name, at = parent.resource.name, question.resource.at
        lookup, above = self._above(question.row, parent.lookup)
        if above is None:
            return every(Kind.PARENT, (lookup,), name=name, at=at)
        touch = self._touch(question.asker, parent.resource, parent_action(question.action), above)
        return every(Kind.PARENT, (lookup, touch), name=name, at=at, key=key_of(above))

    def _above(self, row: Row, lookup: Lookup) -> tuple[Reason, Row | None]:
        found = self._facts.hop(row, lookup)
        name = ", ".join(source for source, _ in lookup.pairs)
        says = "is not set, or leads to no row" if found is None else f"leads to {row_name(found)}"
        return Reason(
            Kind.LOOKUP, found is not None, name=name, says=says, key="" if found is None else key_of(found)
        ), found

    def _may_of(self, asker: Asker) -> May:
        """`{can: …}` is the viewer's own, also within a rule that holds through reach."""
        return lambda row, action: self._decide_of(asker)(row, action).truth is True

    def _decide_of(self, asker: Asker) -> Decide:
        return lambda row, action: self._may(asker, self._structure.resource_of(row.table), action, row)

    # -- requirements --------------------------------------------------------------------------------------------------

    def _requirement(self, asker: Asker, requirement: Requirement, resource: Resource, row: Row) -> Reason:
        """True where it does not bind the viewer, or holds."""
        held = self._held(asker, requirement, resource, row)
        parts = (held,)
        if requirement.who is not None and asker.viewer is not None:
            who = self._who(requirement.who, asker.viewer, asker.viewer)
            exempt = Reason(Kind.EXEMPT, not3(who.truth), Join.NOT, at=requirement.at, parts=(who,))
            parts = (exempt, held)
        return some(Kind.REQUIREMENT, parts, name=requirement.name, at=requirement.at)

    def _held(self, asker: Asker, requirement: Requirement, resource: Resource, row: Row) -> Reason:
        """On the row itself, or, where it was passed on, on every parent row it came through; each must be there."""
        if any(requirement is own for own in resource.require):
            if asker.viewer is None and names_viewer(requirement.rows):
                says = f"{say(requirement.rows, whose(None, None))}, and the session presents nobody"
                return Reason(Kind.ROWS, False, says=says, at=requirement.at)
            return self._rows(requirement.rows, row, asker.viewer, asker)
        parts: list[Reason] = []
        for carrier in self._structure.carriers(resource, requirement):
            for parent in self._structure.parents(resource):
                if parent.resource is not carrier:
                    continue
                lookup, above = self._above(row, parent.lookup)
                below = () if above is None else (self._held(asker, requirement, carrier, above),)
                key = "" if above is None else key_of(above)
                parts.append(every(Kind.INHERITED, (lookup, *below), name=carrier.name, key=key))
        return every(Kind.ALL, tuple(parts))

    def _known_people(self) -> People:
        assert self._people is not None
        return self._people
