"""decision(v, r, a) of docs/meaning.md as one formula over the row, for policies and for the views that answer `{can: …}`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pgerase.compile import bound, sql
from pgerase.compile.arms import ArmEmitter, fold, spread
from pgerase.compile.bind import passed_on
from pgerase.compile.bound import BoundRequirement, BoundResource, Side
from pgerase.compile.emit import Emitter, Env, asks_decision, sides
from pgerase.compile.sql import FALSE, Atom, Formula, Or, both, conjunction, disjunction, text_literal
from pgerase.rules.conditions import Action

_NEED_READ = (Action.UPDATE, Action.DELETE)


class DecisionEmitter:
    """Writes decisions for all resources of one pack."""

    def __init__(self, rules: bound.BoundRules, emitter: Emitter) -> None:
        self.rules = rules
        self.emitter = emitter
        self.naming = emitter.naming
        self.anonymous = any(rule.roles for resource in rules.resources for rule in resource.rules)

    # Grants -------------------------------------------------------------------------------------------------------

    def permissive(self, resource: BoundResource, action: Action, env: Env, *, new: bool = False) -> Formula:
        """Everything of the decision but the requirements; for update and delete it includes what read takes.

        `new`: the row is the one written, so rules' `becomes` stand in for their `rows`.
        """
        # Sessions with and without identity never meet, so what each may read is joined to its own.
        roles = self.for_roles(resource, action, env, new=new)
        if action in _NEED_READ:
            roles = both(roles, self.for_roles(resource, Action.READ, env, new=False))
        return disjunction((self.for_viewer(resource, action, env, new=new), roles))

    def for_viewer(self, resource: BoundResource, action: Action, env: Env, *, new: bool) -> Formula:
        """What a viewer is granted; for update and delete it includes what read takes."""
        granted = self.for_people(resource, action, env, new=new)
        if action in _NEED_READ:
            return both(granted, self.for_people(resource, Action.READ, env, new=False))
        return granted

    def for_people(self, resource: BoundResource, action: Action, env: Env, *, new: bool) -> Formula:
        """super_admin(v) or the combined terms."""
        people = self.rules.people
        if people is None:
            return FALSE
        ways: list[Formula] = []
        if people.super_admin is not None:
            arms = ArmEmitter(self.emitter, resource.table)
            gate = arms.wide_gate if people.become else arms.me_gate
            ways.append(gate((people.super_admin,), env))
        ways.append(self.combined(resource, action, env, new=new))
        granted = disjunction(ways)
        anyone = self.anyone(())
        # Being somebody is part of every way, so where that is enough the others say nothing more.
        return anyone if isinstance(granted, Or) and anyone in granted.parts else granted

    def anyone(self, gates: Sequence[str]) -> Atom:
        """There is an active viewer."""
        return Atom(sql.exists(sql.select("", [f"{self.emitter.me} p"], gates)))

    def combined(self, resource: BoundResource, action: Action, env: Env, *, new: bool) -> Formula:
        """The terms, as the first entry of `combine` that fits the viewer says (16)."""
        return self.combined_from(0, resource, action, env, (), new=new)

    def combined_from(
        self, number: int, resource: BoundResource, action: Action, env: Env, gates: Sequence[str], *, new: bool
    ) -> Formula:
        """What entry `number` and those after it give. `gates` are conditions on the viewer under which one gets here."""
        if number == len(resource.combine):
            terms = [self.own(resource, action, env, gates, new=new)]
            terms += [self.parent(resource, parent, action, env, gates) for parent in resource.parents]
            return disjunction(term for term in terms if term is not None)
        entry = resource.combine[number]
        if entry.who is None:
            return self.expression(entry.expression, resource, action, env, gates, new=new)
        holds = self.of_viewer(entry.who, "is true")
        unless = self.of_viewer(entry.who, "is not true")
        known_false = self.of_viewer(entry.who, "is false")
        first = self.expression(entry.expression, resource, action, env, [*gates, holds], new=new)
        rest = self.combined_from(number + 1, resource, action, env, [*gates, unless], new=new)
        if _is_two_valued(entry.who):
            return disjunction([first, rest])
        # Where who(v) is unknown the entry's expression has to hold together with what follows.
        also = disjunction([Atom(known_false), self.expression(entry.expression, resource, action, env, (), new=new)])
        return disjunction([first, conjunction([also, rest])])

    def of_viewer(self, who: bound.BoundCondition, outcome: str) -> str:
        """An uncorrelated EXISTS: the active viewer's `who` comes out as `is true`, `is false` or `is not true`."""
        env = Env(person="p", taken=frozenset({"p"}))
        text = sql.formula_text(self.emitter.truth(who, env, positive=False))
        return sql.exists(sql.select("", [f"{self.emitter.me} p"], [f"{sql.block('(', text, ')')} {outcome}"]))

    def expression(
        self,
        expression: bound.BoundExpression,
        resource: BoundResource,
        action: Action,
        env: Env,
        gates: Sequence[str],
        *,
        new: bool,
    ) -> Formula:
        """An expression over terms; open parents have dropped out, and one left empty is false (15)."""
        made = self.partial(expression, resource, action, env, gates, new=new)
        return FALSE if made is None else made

    def partial(
        self,
        expression: bound.BoundExpression,
        resource: BoundResource,
        action: Action,
        env: Env,
        gates: Sequence[str],
        *,
        new: bool,
    ) -> Formula | None:
        """An expression, or None where nothing is left of it."""
        if isinstance(expression, bound.BTerm):
            if expression.parent is None:
                return self.own(resource, action, env, gates, new=new)
            parent = next(one for one in resource.parents if one.resource == expression.parent)
            return self.parent(resource, parent, action, env, gates)
        made = [self.partial(part, resource, action, env, gates, new=new) for part in expression.parts]
        left = [part for part in made if part is not None]
        if not left:
            return None
        return conjunction(left) if expression.every else disjunction(left)

    def own(self, resource: BoundResource, action: Action, env: Env, gates: Sequence[str], *, new: bool) -> Formula:
        """Open to everyone, or granted by a rule (14)."""
        if action in resource.open:
            return self.anyone(gates)
        arms = ArmEmitter(self.emitter, resource.table)
        people = self.rules.people
        grants = [
            grant
            for rule in resource.rules
            if action in rule.can and not rule.roles
            for grant in spread(
                rule.hierarchy and people is not None and people.manager is not None,
                bound.BAll((rule.who, rule.becomes if new else rule.rows)),
            )
        ]
        return arms.arms(fold(grants), env, gates)

    def parent(
        self, resource: BoundResource, parent: bound.BoundParent, action: Action, env: Env, gates: Sequence[str]
    ) -> Formula | None:
        """A parent term (15); None for one that is open and so drops out."""
        asked = passed_on(action)
        if asked in self.rules.resource(parent.resource).open:
            return None
        gates = [*gates, *self.unless_all(env)]
        return Atom(
            self.points_at_parent(parent, asked, env, gates),
            # Who may finally update a row may read it (20), so the one term implies the other.
            implies=(self.points_at_parent(parent, Action.READ, env, gates),) if asked is Action.UPDATE else (),
        )

    def unless_all(self, env: Env) -> Iterator[str]:
        """Not for a super admin, who may do everything anyhow: the arrays of parents would hold all there is.

        The hint of `become` is looked at first, so that others pay nothing; who has set it himself is asked all the same.
        """
        people = self.rules.people
        if people is None or people.super_admin is None or not people.become or not env.as_set:
            return
        condition, inside = people.super_admin, Env(person="p", taken=frozenset({"p"}))
        held = self.emitter.conjuncts(condition, inside, positive=True)
        found = sql.exists(sql.select("", [f"{self.emitter.me} p"], held))
        hint = f"current_setting({text_literal(self.naming.wide_hint).strip()}, true)"
        yield sql.block("(", f"{hint} is distinct from 'yes'\nor not {found}", ")")

    def points_at_parent(self, parent: bound.BoundParent, asked: Action, env: Env, gates: Sequence[str]) -> str:
        """The lookup points to a row of the parent that the viewer may finally read, or update."""
        self.emitter.facts.may.setdefault((parent.resource, asked), set()).add(parent.hop.target_columns)
        assert env.row is not None
        return self.emitter.points_into(parent.hop, env.row, self.naming.may(asked, parent.resource), env, gates)

    def for_roles(self, resource: BoundResource, action: Action, env: Env, *, new: bool) -> Formula:
        """Rules for sessions without identity, by the exact name of the current role (11)."""
        ways: list[Formula] = []
        for rule in resource.rules:
            if rule.roles and action in rule.can:
                names = ", ".join(text_literal(name) for name in sorted(rule.roles))
                presented = f"{sql.ident(self.naming.api)}.presented_viewer()"
                gate = Atom(f"(select {presented} is null and current_user in ({names}))")
                rows = self.emitter.truth(rule.becomes if new else rule.rows, env, positive=True)
                ways.append(conjunction([gate, rows]))
        return disjunction(ways)

    # Requirements -------------------------------------------------------------------------------------------------

    def required(self, resource: BoundResource, action: Action) -> tuple[BoundRequirement, ...]:
        """The requirements that bind an action: for update and delete those of read as well (17)."""
        asked = {action} | ({Action.READ} if action in (Action.UPDATE, Action.DELETE) else set[Action]())
        return tuple(one for one in resource.requirements if asked & one.can)

    def requirement(self, resource: BoundResource, requirement: BoundRequirement, env: Env) -> Formula:
        """A requirement holds on the row, or its `who` is false for the viewer."""
        if requirement.through is not None and requirement.origin is not None:
            self.emitter.facts.meets.setdefault(requirement.origin, set()).add(requirement.through.target_columns)
            assert env.row is not None
            view = self.naming.meets(*requirement.origin)
            rows: Formula = Atom(self.emitter.points_into(requirement.through, env.row, view, env))
        else:
            rows = self.requirement_rows(requirement, env)
        if requirement.who is None:
            return rows
        return disjunction([Atom(self.of_viewer(requirement.who, "is false")), rows])

    def requirement_rows(self, requirement: BoundRequirement, env: Env) -> Formula:
        """The rows of a requirement. Where they name the viewer there has to be one, or "none of his" would hold."""
        rows = self.emitter.truth(requirement.rows, replace(env, person=None), positive=True)
        names_viewer = Side.PERSON in sides(requirement.rows) or asks_decision(requirement.rows)
        if not (names_viewer and self.anonymous):
            return rows
        return conjunction([rows, self.anyone(())])

    # Whole decisions ----------------------------------------------------------------------------------------------

    def whole(self, resource: BoundResource, action: Action, env: Env, *, new: bool = False) -> Formula:
        """The final decision on a row for a viewer, requirements included: what parent terms and `{can: …}` ask.

        A session without identity has no part in it, whatever role rules give it here (11).
        """
        parts = [self.for_viewer(resource, action, env, new=new)]
        parts += [self.requirement(resource, one, env) for one in self.required(resource, action)]
        return conjunction(parts)


def _is_two_valued(condition: bound.BoundCondition) -> bool:
    match condition:
        case bound.BInGroup():
            return True
        case bound.BNot(term):
            return _is_two_valued(term)
        case bound.BAll(terms) | bound.BAny(terms):
            return all(_is_two_valued(term) for term in terms)
        case _:
            return False
