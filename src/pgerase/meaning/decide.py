"""The decision: may this viewer do that to this row? docs/meaning.md, points 11 to 24, word for word.

Slow and plain on purpose. Authority columns are no part of it; rights on columns (point 40) are asked for apart from rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from pgerase.catalog.model import Catalog, Name
from pgerase.errors import InternalError, PgeraseError
from pgerase.meaning.aggregates import Groups, Key, key_values, told
from pgerase.meaning.columns import column_grant, grants
from pgerase.meaning.conditions import Conditions, May, names_viewer, rows_scope, walk
from pgerase.meaning.explain import Explainer
from pgerase.meaning.paths import Facts, Row
from pgerase.meaning.people import Nobody, People
from pgerase.meaning.reasons import Reason
from pgerase.meaning.structure import OWN, Parent, Structure, parent_action, roles_of
from pgerase.meaning.support import Grant, SupportAccess, SupportRules
from pgerase.rules.access import AccessRules, Expression, ExpressionAnd, ExpressionOr, Requirement, Resource, Rule, Term
from pgerase.rules.conditions import Action, ViewerRef

Values: TypeAlias = Mapping[str, object]
"""A row as psycopg returns it, by column name."""

EVERYONE = "everyone"
SUPER_ADMIN = "super admin"


@dataclass(frozen=True, slots=True)
class Session:
    """Who asks.

    `identity` is the key as text presented by become (or the session user's name, where identities are roles); None or
    empty where none is presented. `current_user` is the database role.
    """

    identity: str | None
    current_user: str


@dataclass(frozen=True, slots=True)
class _RoleSession:
    """A session that presents no identity: known by its role alone (point 11)."""

    current_user: str


_Asker: TypeAlias = Row | _RoleSession
"""An active viewer, or a session without identity."""


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """May `asker` do `action` to this row of `resource`? `becoming`: it is a new row, judged by `becomes` where given."""

    asker: _Asker
    resource: Resource
    action: Action
    row: Row
    becoming: bool = False


class Meaning:
    """What rules mean over given rows at a given moment."""

    def __init__(
        self,
        rules: AccessRules,
        catalog: Catalog,
        data: Mapping[Name, Sequence[Values]],
        now: datetime,
        *,
        support: SupportRules | None = None,
        grants: Sequence[Grant] = (),
    ) -> None:
        """`data` holds every row of every table the rules read, a partitioned table's under its own name. `grants` are support grants.

        Raises PgeraseError where the rules do not fit the catalog or mean nothing, ValueError where `now` has no zone.
        """
        if now.tzinfo is None:
            raise ValueError("now needs a time zone")
        self._facts = Facts(catalog, rules.references, data)
        self._structure = Structure(rules, self._facts)
        self._people = None if rules.viewers is None else People(rules.viewers, rules.groups, self._facts, now)
        self._conditions = (
            self._people.conditions if self._people is not None else Conditions(self._facts, Nobody(), now)
        )
        self._support: SupportAccess | None = None
        if support is not None and self._people is not None:
            self._support = SupportAccess(support, grants, self._facts, self._people, now)
        self._aggregates = {aggregate.name: aggregate for aggregate in rules.aggregates}
        self._decided: dict[tuple[_Asker, str, Action, Row, bool], bool] = {}
        self._required: dict[tuple[_Asker, int, str, Row], bool] = {}
        self._granting: dict[tuple[Row, int], tuple[Row, ...]] = {}

    # -- the answers ---------------------------------------------------------------------------------------------------

    def decide(
        self, session: Session, resource: str, action: Action, *, row: Values | None = None, new: Values | None = None
    ) -> bool:
        """Whether the session may do `action`: to `row` for read and delete, giving `new` for insert, and for update
        whether it may touch `row` at all, and where `new` is given also leave that behind.

        Raises ValueError where a row is missing or one too many, PgeraseError where the rules cannot be evaluated.
        """
        wants_row, may_have_new = action is not Action.INSERT, action in (Action.INSERT, Action.UPDATE)
        if wants_row != (row is not None) or (not wants_row and new is None) or (new is not None and not may_have_new):
            raise ValueError(
                f"{action} takes {'row' if wants_row else 'new'}{' and new' if wants_row and may_have_new else ''}"
            )
        found = self._structure.resource(resource)
        asker = self._asker(session)
        if asker is None:
            return False
        table = self._structure.table(found)
        may_touch = row is None or self._may_in_the_end(asker, found, action, Row(table, row))
        return may_touch and (new is None or self._may_leave(asker, found, action, Row(table, new)))

    def may_hand_over(self, session: Session, resource: str, column: str, to: str, row: Values) -> bool:
        """Whether the session may put the person `to` (the key as text) into `column` of that row, whatever rules grant him.

        It takes the right to update the row as it is, the column named under `hand_over`, an active person, and what is
        required of reading and updating on the row as it will be (point 38). Raises PgeraseError as `decide` does.
        """
        found = self._structure.resource(resource)
        asker = self._asker(session)
        if not isinstance(asker, Row) or column not in {one.column for one in found.hand_over}:
            return False
        people = self._known_people()
        person = people.identify(to)
        if person is None or not people.is_active(person):
            return False
        table = self._structure.table(found)
        if not self._may_touch(asker, found, Action.UPDATE, Row(table, row)):
            return False
        new = Row(table, {**row, column: people.key(person).value})
        return all(
            self._requirements_hold(_Question(asker, found, action, new)) for action in (Action.UPDATE, Action.READ)
        )

    def may_change_members(self, session: Session, group: str) -> bool:
        """Whether the session may add and remove members of that group by hand (point 39). Raises PgeraseError as `decide` does."""
        asker = self._asker(session)
        return isinstance(asker, Row) and self._known_people().manages(asker, group)

    def is_removable(self, group: str, person: str) -> bool:
        """Whether one with that key (as text) can be taken off the group's list: not who fits its criteria (point 39)."""
        people = self._known_people()
        found = people.identify(person)
        return found is None or not people.fits(found, group)

    def visible(self, session: Session, resource: str, action: Action = Action.READ) -> list[Values]:
        """The resource's rows to which the session may do that, in the order given; for insert: as if each were new."""
        found = self._structure.resource(resource)
        asker = self._asker(session)
        if asker is None:
            return []
        rows = self._facts.rows(self._structure.table(found))
        return [row.values for row in rows if self._may_in_the_end(asker, found, action, row)]

    def column(
        self,
        session: Session,
        resource: str,
        column: str,
        action: Action,
        *,
        row: Values | None = None,
        new: Values | None = None,
    ) -> bool:
        """Whether rights on columns let the session read the column of `row`, fill it in in `new`, or change it from `row` to `new`.

        That it may do so with the row itself is `decide`'s to say. Whoever may not read a column may not write it.
        Raises ValueError where a row is missing, PgeraseError where there is no such column.
        """
        found = self._structure.resource(resource)
        table = self._structure.table(found)
        if table.column(column) is None:
            raise PgeraseError(f"{table.name} has no column {column}")
        values = {Action.READ: (row,), Action.INSERT: (new,), Action.UPDATE: (row, new)}.get(action, ())
        if not values or any(one is None for one in values):
            raise ValueError(f"{action} of a column takes {'row and new' if len(values) > 1 else 'one row'}")
        rows = [Row(table, one) for one in values if one is not None]
        asker = self._asker(session)
        viewer = asker if isinstance(asker, Row) else None
        may = self._may_of(_RoleSession(session.current_user) if asker is None else asker)
        return all(
            grants(column_grant(found, column, asked), rows, viewer, self._people, self._conditions, may)
            for asked in dict.fromkeys((Action.READ, action))
        )

    def aggregate(self, session: Session, name: str) -> Groups:
        """The groups that an aggregate shows to the session, by their keys (points 43 to 45). Raises PgeraseError as `decide` does."""
        aggregate = self._aggregates[name]
        resource = self._structure.resource(aggregate.resource)
        asker = self._asker(session)
        if not isinstance(asker, Row) or self._known_people().who(asker, aggregate.who) is not True:
            return {}
        may = self._may_of(asker)
        counted = [
            row
            for row in self._facts.rows(self._structure.table(resource))
            if self._requirements_hold(_Question(asker, resource, Action.READ, row))
            and self._conditions.holds(aggregate.rows, rows_scope(row, asker, may)) is True
        ]
        return told(aggregate, counted, self._facts)

    def aggregate_key(self, name: str, shown: Sequence[object]) -> Key:
        """The key of a group that the database shows, in the form in which `aggregate` gives keys."""
        aggregate = self._aggregates[name]
        table = self._structure.table(self._structure.resource(aggregate.resource))
        return key_values(aggregate, table, shown, self._facts)

    def granted_by(self, session: Session, resource: str, action: Action, row: Values) -> tuple[str, ...]:
        """What grants the action on this row: 'super admin', 'everyone', rules, parents; empty where it is denied.

        For insert the row is taken as new. Every term that holds is named, also one that `combine` did not need.
        """
        found = self._structure.resource(resource)
        asker = self._asker(session)
        there = Row(self._structure.table(found), row)
        if asker is None or not self._may_in_the_end(asker, found, action, there):
            return ()
        question = _Question(asker, found, action, there, becoming=action is Action.INSERT)
        names: list[str] = []
        if self._is_super_admin(asker):
            names.append(SUPER_ADMIN)
        if isinstance(asker, Row) and self._structure.is_open(found, action):
            names.append(EVERYONE)
        names += [rule.name for rule in found.rules if self._rule_grants(question, rule)]
        names += [
            parent.resource.name for parent in self._restricting(question) if self._parent_grants(question, parent)
        ]
        names += [f"support grant {grant.number}" for grant in self._supported(asker, action, there)]
        return tuple(names)

    def explain(
        self,
        session: Session,
        resource: str,
        action: Action,
        *,
        row: Values | None = None,
        new: Values | None = None,
        values: bool = False,
    ) -> Reason:
        """`decide` with its reasons. No `row` where the action takes one: there is none. `values`: tell what was compared.

        Raises ValueError and PgeraseError as `decide` does, InternalError where the reasons come to another decision.
        """
        inserts = action is Action.INSERT
        if (inserts and (new is None or row is not None)) or (
            new is not None and action in (Action.READ, Action.DELETE)
        ):
            raise ValueError(f"{action} was asked about with a row too few or too many")
        found = self._structure.resource(resource)
        table = self._structure.table(found)
        explainer = Explainer(
            self._structure, self._facts, self._people, self._conditions, values=values, support=self._support
        )
        here, there = (None if one is None else Row(table, one) for one in (row, new))
        reason = explainer.explain(session.identity, session.current_user, found, action, here, there)
        decided = False if row is None and not inserts else self.decide(session, resource, action, row=row, new=new)
        if reason.truth is not decided:
            raise InternalError(
                f"{resource}: the reasons for {action} come to {reason.truth}, the decision to {decided}"
            )
        return reason

    def explain_aggregate(self, session: Session, name: str, *, values: bool = False) -> Reason:
        """For whom an aggregate is, with reasons: true where its groups are shown to the session. Raises PgeraseError as `decide` does."""
        explainer = Explainer(self._structure, self._facts, self._people, self._conditions, values=values)
        return explainer.aggregate(session.identity, session.current_user, self._aggregates[name])

    def _asker(self, session: Session) -> _Asker | None:
        """None for an identity that is invalid or unknown, and for viewers who are not active: they see nothing."""
        if not session.identity:
            return _RoleSession(session.current_user)
        if self._people is None:
            return None
        viewer = self._people.identify(session.identity)
        return viewer if viewer is not None and self._people.is_active(viewer) else None

    # -- support access (points 47 to 53) ------------------------------------------------------------------------------

    def _may_in_the_end(self, asker: _Asker, resource: Resource, action: Action, row: Row) -> bool:
        """What a session may do by itself. Support access counts here, and in nothing that decisions are made of."""
        return self._may(asker, resource, action, row) or (
            bool(self._supported(asker, action, row))
            and self._requirements_hold(_Question(asker, resource, Action.READ, row))
        )

    def _supported(self, asker: _Asker, action: Action, row: Row) -> tuple[Grant, ...]:
        if self._support is None or action is not Action.READ or not isinstance(asker, Row):
            return ()
        return self._support.opens(asker, row, self._in_sight)

    def _in_sight(self, viewer: Row, person: Row) -> bool:
        """What is required of reading the person's own row: whom one may not see is nobody to be looked into (point 50)."""
        resource = self._structure.found(person.table)
        return resource is None or self._requirements_hold(_Question(viewer, resource, Action.READ, person))

    # -- decisions on old and new rows (points 20 to 22) ---------------------------------------------------------------

    def _may(self, asker: _Asker, resource: Resource, action: Action, row: Row) -> bool:
        """What `{can: action}` means: on the row as it is, for insert as if it were new (point 22)."""
        touch = self._may_leave if action is Action.INSERT else self._may_touch
        return touch(asker, resource, action, row)

    def _may_touch(self, asker: _Asker, resource: Resource, action: Action, row: Row) -> bool:
        """decision(v, row, action): read, and update and delete, which need decision(read) of the row as well."""
        allowed = self._decision(_Question(asker, resource, action, row))
        if action in (Action.UPDATE, Action.DELETE):
            return allowed and self._decision(_Question(asker, resource, Action.READ, row))
        return allowed

    def _may_leave(self, asker: _Asker, resource: Resource, action: Action, new: Row) -> bool:
        """The new row of insert and update, which must be readable after an update only (point 21)."""
        allowed = self._decision(_Question(asker, resource, action, new, becoming=True))
        if action is Action.UPDATE:
            return allowed and self._decision(_Question(asker, resource, Action.READ, new))
        return allowed

    def _decision(self, question: _Question) -> bool:
        """requirements(a) and (super admin or combined(a)); that the viewer is active was seen before."""
        memo = (question.asker, question.resource.name, question.action, question.row, question.becoming)
        if memo in self._decided:
            return self._decided[memo]
        decided = self._requirements_hold(question) and (
            self._is_super_admin(question.asker) or self._combined(question)
        )
        if self._facts.is_stored(question.row):
            self._decided[memo] = decided
        return decided

    def _is_super_admin(self, asker: _Asker) -> bool:
        return isinstance(asker, Row) and self._known_people().is_super_admin(asker)

    # -- grants (points 11 to 16) --------------------------------------------------------------------------------------

    def _combined(self, question: _Question) -> bool:
        if isinstance(question.asker, _RoleSession):
            return self._own(question)
        for entry in question.resource.combine:
            matches = self._known_people().who(question.asker, entry.who)
            if matches is False:
                continue
            holds = self._expression(question, entry.expression) is True
            if matches is True:
                return holds
            if not holds:
                return False  # unknown: the expression and what the rest gives, and the expression already fails
        return self._own(question) or any(
            self._parent_grants(question, parent) for parent in self._restricting(question)
        )

    def _expression(self, question: _Question, expression: Expression) -> bool | None:
        """Whether the expression holds; None where every term in it dropped out, which grants nothing (point 15)."""
        match expression:
            case Term(name=name) if name == OWN:
                return self._own(question)
            case Term(name=name):
                parents = [parent for parent in self._restricting(question) if parent.resource.name == name]
                return all(self._parent_grants(question, parent) for parent in parents) if parents else None
            case ExpressionAnd(parts=parts) | ExpressionOr(parts=parts):
                left = [held for part in parts if (held := self._expression(question, part)) is not None]
                every = isinstance(expression, ExpressionAnd)
                return (all(left) if every else any(left)) if left else None

    def _own(self, question: _Question) -> bool:
        """Open, which is for viewers only (point 24), or some rule grants (point 14)."""
        if isinstance(question.asker, Row) and self._structure.is_open(question.resource, question.action):
            return True
        return any(self._rule_grants(question, rule) for rule in question.resource.rules)

    def _rule_grants(self, question: _Question, rule: Rule) -> bool:
        """Some u within reach has who(u) and rows(row, u), the same u for both; for a role, rows(row) alone."""
        if question.action not in rule.can:
            return False
        condition = rule.becomes if question.becoming and rule.becomes is not None else rule.rows
        asker, row, roles = question.asker, question.row, roles_of(rule)
        if isinstance(asker, _RoleSession):
            return (
                roles is not None
                and asker.current_user in roles
                and self._conditions.holds(condition, rows_scope(row, None, None)) is True
            )
        if roles is not None:
            return False
        people = self._people_granted(asker, rule)
        if not any(isinstance(node, ViewerRef) for node in walk(condition)):
            people = people[:1]  # the same for all of them, so one is enough to ask
        may = self._may_of(asker)
        return any(self._conditions.holds(condition, rows_scope(row, person, may)) is True for person in people)

    def _people_granted(self, viewer: Row, rule: Rule) -> tuple[Row, ...]:
        memo = (viewer, id(rule))
        if memo not in self._granting:
            people = self._known_people()
            candidates = people.reach(viewer) if rule.hierarchy else (viewer,)
            self._granting[memo] = tuple(person for person in candidates if people.who(person, rule.who) is True)
        return self._granting[memo]

    def _restricting(self, question: _Question) -> list[Parent]:
        """The parents that are not open: the others neither grant nor restrict (point 15)."""
        above = parent_action(question.action)
        parents = self._structure.parents(question.resource)
        return [parent for parent in parents if not self._structure.is_open(parent.resource, above)]

    def _parent_grants(self, question: _Question, parent: Parent) -> bool:
        """The parent row exists and the viewer may read it, or update it for any write; never without identity."""
        if isinstance(question.asker, _RoleSession):
            return False
        above = self._facts.hop(question.row, parent.lookup)
        action = parent_action(question.action)
        return above is not None and self._may_touch(question.asker, parent.resource, action, above)

    def _may_of(self, asker: _Asker) -> May:
        """`{can: …}` is the viewer's own, also within a rule that holds through reach (point 22)."""
        return lambda row, action: self._may(asker, self._structure.resource_of(row.table), action, row)

    # -- requirements (points 17 and 18) -------------------------------------------------------------------------------

    def _requirements_hold(self, question: _Question) -> bool:
        return all(
            self._requirement_holds(question.asker, requirement, question.resource, question.row)
            for requirement in self._structure.requirements(question.resource)
            if question.action in requirement.can and self._binds(question.asker, requirement)
        )

    def _binds(self, asker: _Asker, requirement: Requirement) -> bool:
        """Unless `who` is false for the viewer; it is unknown, and so binds, without identity."""
        return isinstance(asker, _RoleSession) or self._known_people().who(asker, requirement.who) is not False

    def _requirement_holds(self, asker: _Asker, requirement: Requirement, resource: Resource, row: Row) -> bool:
        """On the row itself, or, where it was passed on, on every parent row it came through; each must be there."""
        memo = (asker, id(requirement), resource.name, row)
        if memo in self._required:
            return self._required[memo]
        if any(requirement is own for own in resource.require):
            holds = self._holds_on(asker, requirement, row)
        else:
            holds = all(
                self._holds_above(asker, requirement, resource, parent, row)
                for parent in self._structure.carriers(resource, requirement)
            )
        if self._facts.is_stored(row):
            self._required[memo] = holds
        return holds

    def _holds_above(
        self, asker: _Asker, requirement: Requirement, resource: Resource, parent: Resource, row: Row
    ) -> bool:
        ways = [one.lookup for one in self._structure.parents(resource) if one.resource is parent]
        above = [self._facts.hop(row, lookup) for lookup in ways]
        return all(there is not None and self._requirement_holds(asker, requirement, parent, there) for there in above)

    def _holds_on(self, asker: _Asker, requirement: Requirement, row: Row) -> bool:
        if isinstance(asker, _RoleSession):
            if names_viewer(requirement.rows):
                return False  # it asks about a viewer, and there is none (point 11)
            return self._conditions.holds(requirement.rows, rows_scope(row, None, None)) is True
        return self._conditions.holds(requirement.rows, rows_scope(row, asker, self._may_of(asker))) is True

    def _known_people(self) -> People:
        if self._people is None:
            raise PgeraseError("there are no viewers")
        return self._people
