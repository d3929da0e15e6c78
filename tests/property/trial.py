"""Trials: rule files drawn from a seed, tried in a laboratory, compared with the meaning, and with themselves altered.

A case is one rule file, one state of the data, one viewer: everything that viewer may try on every resource.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg

from pgerase.errors import PgeraseError
from pgerase.rules.access import AccessRules
from pgerase.rules.conditions import Can, Condition, Not, walk
from tests.property.draw_data import Data, Pools, draw_data, json_key, today
from tests.property.draw_rules import Drawn, RuleDrawer
from tests.property.laboratory import (
    Compiled,
    Expectation,
    Laboratory,
    Mismatch,
    Outcome,
    Refused,
    Stored,
    Viewer,
    differences,
)
from tests.property.shrink import Case, shrink
from tests.property.world import TABLES, Variant

STATES = 2
"""States of the data a rule file."""
LARGEST = 40_000
"""Characters of SQL: planning more takes seconds a statement, and shows nothing that smaller files do not."""
ALTERED = 5
"""Every so many files are tried a second time, altered in ways that tell what must come out."""
SHRINKING = 40.0
"""Seconds."""


@dataclass
class Tally:
    """What was tried."""

    files: int = 0
    refused: int = 0
    trimmed: int = 0
    cases: int = 0
    altered: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    allowed: Counter[str] = field(default_factory=Counter)
    denied: Counter[str] = field(default_factory=Counter)
    viewers: Counter[str] = field(default_factory=Counter)

    def note(self, viewer: Viewer, expected: Outcome, stored: Stored, table: str) -> None:
        """Count what known viewers were allowed and denied."""
        if viewer.kind != "known":
            return
        rows = len(stored.rows[table])
        for what, allowed, all_of in (
            ("read", len(expected.read), rows),
            ("update", len(expected.share), rows),
            ("delete", len(expected.delete), rows),
            ("insert", len(expected.insert), len(stored.new[table])),
            ("change", sum(count == 1 for count in expected.change.values()), len(expected.change)),
        ):
            self.allowed[what] += allowed
            self.denied[what] += all_of - allowed
        self.denied["change after touching"] += sum(count == -1 for count in expected.change.values())

    def __str__(self) -> str:
        shares = ", ".join(
            f"{what} {self.allowed[what] / max(1, self.allowed[what] + self.denied[what]):.0%}" for what in self.allowed
        )
        return (
            f"{self.cases} cases of {self.files} rule files ({self.refused} refused, {self.trimmed} trimmed,"
            f" {self.altered} altered); allowed: {shares}"
        )


def draw_file(seed: str, number: int, variant: Variant, roles: tuple[str, ...]) -> tuple[Random, Pools, Drawn]:
    """The `number`th rule file of a seed, with the source of chance to go on with."""
    rng = Random(f"{seed}/{variant.name}/{number}")
    pools = Pools.draw(rng, today())
    return rng, pools, RuleDrawer(rng, variant, pools, roles).draw()


def draw_viewers(rng: Random, variant: Variant, data: Data) -> list[Viewer]:
    """Some people, and some who are nobody."""
    people = data.rows["person"]
    texts = [str(person["id"]) for person in people]
    known = rng.sample(texts, min(3, len(texts)))
    known += [str(person["id"]) for person in people if person["admin"] and str(person["id"]) not in known][:1]
    viewers = [Viewer("known", text) for text in known]
    key = rng.choice(texts)
    visitor = rng.choice((0, 1, 1))
    viewers.append(Viewer("no identity", None, visitor))
    garbage = {
        "bigint": (f"0{key}", f" {key}", f"+{key}", "99999999999999999999", "-0", "1e3", f"{key}@", "' or true --"),
        "uuid": (key.upper().replace("0", "A", 1), f"{{{key}}}", key.replace("-", ""), f"{key} ", "x"),
        "text": (f"{key} ", f"{key}@", "' or true --", "\\", "@"),
    }[variant.keys]
    viewers.append(
        rng.choice(
            (
                Viewer("unknown", str(json_key(variant, "person", 90))),
                Viewer("garbage", rng.choice(garbage)),
                Viewer("unstamped", key, stamped=False),
                Viewer("known by visitor's login", key, 1),
            )
        )
    )
    return viewers


class Failed(AssertionError):
    """The database and the meaning differ."""


@dataclass
class Trials:
    """Tries rule files of one seed in one laboratory."""

    laboratory: Laboratory
    seed: str
    tally: Tally = field(default_factory=Tally)

    def run(self, number: int) -> None:
        """Try the `number`th rule file. Raises Failed with everything needed to understand it."""
        laboratory, tally = self.laboratory, self.tally
        rng, pools, drawn = draw_file(self.seed, number, laboratory.variant, laboratory.logins[::-1])
        tally.files += 1
        compiled = laboratory.compile(drawn.spec)
        if isinstance(compiled, Compiled) and len(laboratory.script(compiled.desired)) > LARGEST:
            tally.trimmed += 1
            while (
                isinstance(compiled, Compiled) and len(laboratory.script(compiled.desired)) > LARGEST and _trim(drawn)
            ):
                compiled = laboratory.compile(drawn.spec)
        if isinstance(compiled, Refused):
            tally.refused += 1
            tally.codes.update({finding.code for finding in compiled.findings})
            return
        telling = {
            table: [column for column in TABLES[table].columns if laboratory.variant.n(column.name) in str(resource)]
            for table, resource in zip(drawn.resources, drawn.spec["resources"].values(), strict=True)
        }
        states = [
            (data, draw_viewers(rng, laboratory.variant, data))
            for data in (draw_data(rng, laboratory.variant, pools, telling) for _ in range(STATES))
        ]
        seen = self._compare(number, drawn.spec, compiled, states)
        if number % ALTERED == 0:
            self._alter(number, rng, pools, drawn, compiled, states, seen)

    # -- against the meaning -------------------------------------------------------------------------------------------

    def _compare(
        self, number: int, spec: dict[str, Any], compiled: Compiled, states: list[tuple[Data, list[Viewer]]]
    ) -> dict[tuple[int, Viewer], dict[str, Outcome]]:
        laboratory = self.laboratory
        seen: dict[tuple[int, Viewer], dict[str, Outcome]] = {}
        data, viewer = states[0][0], states[0][1][0]
        try:
            found: list[Mismatch] = []
            with laboratory.applied(compiled):
                for state, (data, viewers) in enumerate(states):
                    with laboratory.loaded(data) as stored:
                        expectation = Expectation(laboratory, compiled, stored)
                        for viewer in viewers:
                            self.tally.cases += 1
                            self.tally.viewers[viewer.kind] += 1
                            outcomes = seen[state, viewer] = laboratory.observe(compiled, stored, viewer)
                            for table in compiled.resources:
                                expected = expectation.outcome(viewer, table)
                                self.tally.note(viewer, expected, stored, table)
                                found += differences(viewer, table, outcomes[table], expected)
                            if found:
                                raise _Differs
        except _Differs:
            kind = found[0].what
            raise Failed(
                self._report(number, Case(spec, data, viewer), lambda other: any(one.what == kind for one in other))
            ) from None
        except (psycopg.Error, PgeraseError) as error:
            kind = f"{type(error).__name__} {str(error)[:20]}"
            report = self._report(
                number, Case(spec, data, viewer), lambda other: any(str(one.seen).startswith(kind) for one in other)
            )
            raise Failed(report) from error
        return seen

    def differ(self, case: Case) -> list[Mismatch]:
        """How the database differs from the meaning in one case; an error is a difference too."""
        laboratory = self.laboratory
        try:
            compiled = laboratory.compile(case.spec)
            if isinstance(compiled, Refused):
                return []
            with laboratory.applied(compiled), laboratory.loaded(case.data) as stored:
                expectation = Expectation(laboratory, compiled, stored)
                outcomes = laboratory.observe(compiled, stored, case.viewer)
                return [
                    mismatch
                    for table in compiled.resources
                    for mismatch in differences(
                        case.viewer, table, outcomes[table], expectation.outcome(case.viewer, table)
                    )
                ]
        except (psycopg.Error, PgeraseError) as error:
            return [Mismatch(case.viewer, "", "error", f"{type(error).__name__} {error}", "no error")]

    def _report(self, number: int, case: Case, alike: Any) -> str:
        """The case made small, with everything that tells why."""
        small = shrink(case, lambda other: alike(self.differ(other)), SHRINKING)
        mismatches = self.differ(small)
        lines = [
            f"seed {self.seed}, variant {self.laboratory.variant.name}, rule file {number}: the database differs from the meaning",
            *map(str, mismatches),
        ]
        compiled = self.laboratory.compile(small.spec)
        if isinstance(compiled, Compiled):
            lines += ["", compiled.text, "", *self._grants(compiled, small, mismatches), "", *_rows(small.data), ""]
            lines.append(self.laboratory.script(compiled.desired))
        return "\n".join(lines)

    def _grants(self, compiled: Compiled, case: Case, mismatches: list[Mismatch]) -> Iterator[str]:
        try:
            with self.laboratory.applied(compiled), self.laboratory.loaded(case.data) as stored:
                expectation = Expectation(self.laboratory, compiled, stored)
                for mismatch in mismatches:
                    if mismatch.what == "read":
                        for rid in sorted({*mismatch.seen} ^ {*mismatch.expected}):
                            yield f"row {rid} of {mismatch.resource}: granted by {expectation.granted_by(case.viewer, mismatch.resource, rid)}"
        except (psycopg.Error, PgeraseError) as error:
            yield f"no grants: {error}"

    # -- against itself ------------------------------------------------------------------------------------------------

    def _alter(
        self,
        number: int,
        rng: Random,
        pools: Pools,
        drawn: Drawn,
        compiled: Compiled,
        states: list[tuple[Data, list[Viewer]]],
        seen: dict[tuple[int, Viewer], dict[str, Outcome]],
    ) -> None:
        """Order of rules is irrelevant; one rule more takes nothing away, nor does becoming super admin."""
        self.tally.altered += 1
        self._same(number, "rules in another order", _shuffled(rng, drawn.spec), states, seen)
        if not _asks_negatively(compiled.rules):
            more = _with_another_rule(rng, self.laboratory, pools, drawn)
            self._more(number, "one rule more", more, states, seen)
            if "super_admin" in drawn.spec["viewers"]:
                for state, (data, viewers) in enumerate(states):
                    viewer = viewers[0]
                    promoted = copy.deepcopy(data)
                    for person in promoted.rows["person"]:
                        if str(person["id"]) == viewer.text:
                            person["admin"] = True
                    before = {(0, viewer): seen[state, viewer]}
                    self._more(number, "made super admin", drawn.spec, [(promoted, [viewer])], before)

    def _same(self, number: int, what: str, spec: Any, states: Any, seen: Any) -> None:
        for place, outcomes in self._tried(spec, states).items():
            if outcomes != seen[place]:
                raise Failed(f"seed {self.seed}, rule file {number}, {what}: {place} {seen[place]} became {outcomes}")

    def _more(self, number: int, what: str, spec: Any, states: Any, seen: Any) -> None:
        for place, outcomes in self._tried(spec, states).items():
            for table, outcome in outcomes.items():
                before = seen[place][table]
                for way in ("read", "share", "delete", "insert"):
                    lost = getattr(before, way) - getattr(outcome, way)
                    if lost:
                        raise Failed(
                            f"seed {self.seed}, rule file {number}, {what}: {place} lost {way} of {table} {lost}"
                        )

    def _tried(self, spec: Any, states: Any) -> dict[tuple[int, Viewer], dict[str, Outcome]]:
        compiled = self.laboratory.compile(spec)
        if isinstance(compiled, Refused):
            return {}
        tried = {}
        with self.laboratory.applied(compiled):
            for state, (data, viewers) in enumerate(states):
                with self.laboratory.loaded(data) as stored:
                    for viewer in viewers:
                        tried[state, viewer] = self.laboratory.observe(compiled, stored, viewer)
        return tried


class _Differs(Exception):
    pass


def _trim(drawn: Drawn) -> bool:
    """Take the last resource away, which no other one needs, or the last part of the only one; False where nothing is left."""
    resources = drawn.spec["resources"]
    if len(resources) > 1:
        resources.popitem()
        drawn.resources = drawn.resources[:-1]
        return True
    (resource,) = resources.values()
    for part in ("combine", "require", "rules"):
        if part in resource:
            resource[part] = resource[part][:-1]
            if not resource[part]:
                del resource[part]
            return True
    return False


def _rows(data: Data) -> Iterator[str]:
    for what in ("rows", "new", "changed"):
        for table, rows in getattr(data, what).items():
            for row in rows:
                yield f"{what} {table} { {name: value for name, value in row.items() if value is not None} }"


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
    other = copy.deepcopy(drawn.spec)
    resource = rng.choice(list(other["resources"].values()))
    drawer = RuleDrawer(rng, laboratory.variant, pools, laboratory.logins)
    drawer.viewers()
    names = {table: name for name, table in ((name, one["table"]) for name, one in other["resources"].items())}
    table = next(
        name for name in drawn.resources if names[drawer.table(name)] and drawer.table(name) == resource["table"]
    )
    rule = drawer.plain_rule(table)
    resource["rules"] = [*resource.get("rules", []), rule]
    return other


def _asks_negatively(rules: AccessRules) -> bool:
    """Whether anything asks for a decision under `not`: then more for one may be less for another."""

    def conditions() -> Iterator[Condition | None]:
        for resource in rules.resources:
            for rule in resource.rules:
                yield from (rule.rows, rule.becomes)
            yield from (requirement.rows for requirement in resource.require)

    return any(
        isinstance(part, Not) and any(isinstance(inner, Can) for inner in walk(part))
        for condition in conditions()
        if condition is not None
        for part in walk(condition)
    )
