"""What is required of reading a person, for a viewer whose key a function is given: operators name one, and have no session of his."""

from __future__ import annotations

from dataclasses import replace

from pgerase.compile import sql
from pgerase.compile.bound import BoundRequirement, BoundResource, BoundRules
from pgerase.compile.decisions import DecisionEmitter
from pgerase.compile.emit import Emitter, Env, Facts, asks_decision
from pgerase.compile.sql import Atom, Formula, conjunction, disjunction, ident, qualified


class NamedViewerEmitter(Emitter):
    """Writes conditions whose viewer is given as a query for his row, instead of being whoever the session runs for."""

    def __init__(self, facts: Facts, viewer: str) -> None:
        super().__init__(facts)
        self._viewer = viewer

    @property
    def me(self) -> str:
        """The query for the viewer's row, none unless he is active."""
        return self._viewer


class NamedViewerRequirements(DecisionEmitter):
    """Requirements for that viewer. `key` is his key as text: the same query, and what the session says is compared with it."""

    def __init__(self, rules: BoundRules, emitter: NamedViewerEmitter, key: str) -> None:
        super().__init__(rules, emitter)
        self._key = key

    def requirement(self, resource: BoundResource, requirement: BoundRequirement, env: Env) -> Formula:
        """A requirement holds on the row, or its `who` is false for the viewer."""
        if requirement.through is None or requirement.origin is None:
            held = super().requirement(resource, requirement, env)
            if not asks_decision(requirement.rows):
                return held
            # What `{can: …}` asks is answered for the session: of anybody else nothing is known, so nothing is opened.
            session = f"{ident(self.naming.api)}.current_viewer() = {self._key}"
            return conjunction([Atom(session), held])
        # The view of rows that meet it answers for the session; so the parent's rows are asked here. The view is noted all the
        # same: policies ask for it, and with it come the rights on the parent's table.
        hop, (parent_name, name) = requirement.through, requirement.origin
        self.emitter.facts.meets.setdefault(requirement.origin, set()).add(hop.target_columns)
        parent = self.rules.resource(parent_name)
        passed = next(one for one in parent.requirements if one.name == name)
        alias, inside = env.fresh("d")
        held = self.requirement(parent, replace(passed, who=None), replace(inside, row=alias))
        mine = ", ".join(f"{env.row}.{ident(column)}" for column in hop.columns)
        theirs = ", ".join(f"{alias}.{ident(column)}" for column in hop.target_columns)
        query = sql.select(theirs, [f"{qualified(parent.table.name)} {alias}"], [sql.formula_text(held)])
        rows: Formula = Atom(f"({mine}) in {sql.subquery(query)}")
        if requirement.who is None:
            return rows
        return disjunction([Atom(self.of_viewer(requirement.who, "is false")), rows])
