"""What must come out when a rule file or the data are altered: known without asking what they mean.

The order of rules is irrelevant; one rule more takes nothing away, nor does becoming super admin; one requirement more gives nothing;
and it does not matter what keys are called.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any
from uuid import UUID

from pgerase.rules.access import AccessRules
from pgerase.rules.conditions import Can, Condition, Not, walk
from tests.property.draw_data import Data, Pools
from tests.property.draw_rules import Drawn, RuleDrawer
from tests.property.laboratory import Compiled, Laboratory, Outcome, Refused, Viewer
from tests.property.trial import Failed, State, Tally
from tests.property.world import PEOPLE, TABLES

Seen = dict[tuple[int, Viewer], dict[str, Outcome]]


@dataclass
class Altered:
    """A rule file that was tried, to be tried again in other forms."""

    laboratory: Laboratory
    place: str
    drawn: Drawn
    compiled: Compiled
    states: list[State]
    seen: Seen
    tally: Tally

    def check(self, rng: Random, pools: Pools) -> None:
        """Try every form. Raises Failed."""
        again = self._tried("another order", _shuffled(rng, self.drawn.spec), self.states)
        if again != self.seen:
            raise Failed(f"{self.place}: with rules in another order {self.seen} became {again}")
        if self.laboratory.variant.keys == "uuid":
            self._rename()
        if _asks_negatively(self.compiled.rules):
            return
        self._require_more(rng, pools)
        more = _with_another_rule(rng, self.laboratory, pools, self.drawn)
        self._assert_nothing_lost("one rule more", more, self.states, self.seen)
        if "super_admin" in self.drawn.spec["viewers"]:
            for state, (data, viewers) in enumerate(self.states):
                promoted = copy.deepcopy(data)
                for person in promoted.rows[PEOPLE]:
                    person["admin"] = person["admin"] or str(person["id"]) == viewers[0].text
                before = {(0, viewers[0]): self.seen[state, viewers[0]]}
                self._assert_nothing_lost("super admin", self.drawn.spec, [(promoted, viewers[:1])], before)

    def _rename(self) -> None:
        """Every key becomes another one, in the same order, in rules, data and what viewers present."""
        spec = _renamed(self.drawn.spec)
        states = [
            (
                Data(*(_renamed(part) for part in (data.rows, data.new, data.changed, data.grants))),
                [replace(viewer, text=_renamed(viewer.text)) for viewer in viewers],
            )
            for data, viewers in self.states
        ]
        again = self._tried("other keys", spec, states)
        before = {
            (state, replace(viewer, text=_renamed(viewer.text))): seen for (state, viewer), seen in self.seen.items()
        }
        if again != before:
            raise Failed(f"{self.place}: with other keys {before} became {again}")

    def _require_more(self, rng: Random, pools: Pools) -> None:
        more = _with_another_requirement(rng, self.laboratory, pools, self.drawn)
        compiled = self.laboratory.compile(more)
        if isinstance(compiled, Compiled) and _asks_negatively(compiled.rules):
            return
        for key, outcomes in self._tried("one requirement more", more, self.states).items():
            for table, outcome in outcomes.items():
                for way in ("read", "share", "delete", "insert"):
                    gained = getattr(outcome, way) - getattr(self.seen[key][table], way)
                    if gained:
                        raise Failed(
                            f"{self.place}: one requirement more gave {way} of {table} {sorted(gained)} to {key}"
                        )

    def _assert_nothing_lost(self, what: str, spec: dict[str, Any], states: list[State], before: Seen) -> None:
        for key, outcomes in self._tried(what, spec, states).items():
            for table, outcome in outcomes.items():
                for way in ("read", "share", "delete", "insert"):
                    lost = getattr(before[key][table], way) - getattr(outcome, way)
                    if lost:
                        raise Failed(f"{self.place}: {what} took {way} of {table} {sorted(lost)} from {key}")

    def _tried(self, what: str, spec: dict[str, Any], states: list[State]) -> Seen:
        compiled = self.laboratory.compile(spec)
        if isinstance(compiled, Refused):
            raise Failed(f"{self.place}: refused with {what}: {compiled.findings}")
        self.tally.altered[what] += 1
        with self.laboratory.applied(compiled):
            return dict(self._outcomes(compiled, states))

    def _outcomes(
        self, compiled: Compiled, states: list[State]
    ) -> Iterator[tuple[tuple[int, Viewer], dict[str, Outcome]]]:
        for state, (data, viewers) in enumerate(states):
            with self.laboratory.loaded(data) as stored:
                for viewer in viewers:
                    yield (state, viewer), self.laboratory.observe(compiled, stored, viewer)


def _shuffled(rng: Random, spec: dict[str, Any]) -> dict[str, Any]:
    """Resources, rules, requirements and groups in another order; `combine` keeps its own, which matters."""
    other = copy.deepcopy(spec)
    for section in ("resources", "groups"):
        if section in other:
            items = list(other[section].items())
            rng.shuffle(items)
            other[section] = dict(items)
    for resource in other["resources"].values():
        for part in ("rules", "require"):
            if part in resource:
                rng.shuffle(resource[part])
    return other


def _with_another_rule(rng: Random, laboratory: Laboratory, pools: Pools, drawn: Drawn) -> dict[str, Any]:
    """One more rule for one resource, for everybody, by what every file knows of people."""
    other = copy.deepcopy(drawn.spec)
    table, resource = rng.choice(list(zip(drawn.resources, other["resources"].values(), strict=True)))
    rule = RuleDrawer(rng, laboratory.variant, pools, laboratory.logins).another_rule(table)
    resource["rules"] = [*resource.get("rules", []), rule]
    return other


def _with_another_requirement(rng: Random, laboratory: Laboratory, pools: Pools, drawn: Drawn) -> dict[str, Any]:
    """One more requirement of one resource, by what every file knows of people."""
    other = copy.deepcopy(drawn.spec)
    table, resource = rng.choice(list(zip(drawn.resources, other["resources"].values(), strict=True)))
    drawer = RuleDrawer(rng, laboratory.variant, pools, laboratory.logins)
    # A rule for all rows would make a requirement of nothing.
    rows = drawer.another_rule(table).get("rows") or {drawer.plain(TABLES[table].columns[-1].name): {"is_null": True}}
    requirement = {"name": "one more", "rows": rows}
    resource["require"] = [*resource.get("require", []), requirement]
    return other


def _renamed(value: Any) -> Any:
    """The same with another key wherever a key stands; their order stays."""
    if isinstance(value, dict):
        return {name: _renamed(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_renamed(part) for part in value]
    try:
        return str(UUID(int=UUID(value).int + (1 << 64))) if isinstance(value, str) and len(value) == 36 else value
    except ValueError:
        return value


def _asks_negatively(rules: AccessRules) -> bool:
    """Whether anything asks for a decision under `not`: then more for one may be less for another."""
    return any(
        isinstance(part, Not) and any(isinstance(inner, Can) for inner in walk(part))
        for condition in _of_rows(rules)
        for part in walk(condition)
    )


def _of_rows(rules: AccessRules) -> Iterator[Condition]:
    for resource in rules.resources:
        for rule in resource.rules:
            yield from (one for one in (rule.rows, rule.becomes) if one is not None)
        yield from (requirement.rows for requirement in resource.require)
