"""Trials: rule files drawn from a seed, tried in a laboratory and compared with the meaning.

A case is one rule file, one state of the data, one viewer: everything that viewer may try on every resource.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psycopg

from pgerase.errors import PgeraseError
from tests.property.draw_data import Data, DataDrawer, Pools, json_key
from tests.property.draw_rules import Drawn, RuleDrawer
from tests.property.explained import explained
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
from tests.property.support import SHARE, draw_grants, draw_support
from tests.property.world import PEOPLE, TABLES, Variant

STATES = 2
"""States of the data a rule file."""
LARGEST = 30_000
"""Characters of SQL: planning more takes seconds a statement, and shows nothing that smaller files do not."""
FOR_SUPPORT = 10_000
"""What support access may add to that: files are to stay as they are without."""
SHRINKING = 40.0
"""Seconds."""

State = tuple[Data, list[Viewer]]
"""Data, and who tries on them."""


@dataclass
class Tally:
    """What was tried."""

    files: int = 0
    refused: int = 0
    trimmed: int = 0
    supported: int = 0
    opened: int = 0
    """Rows that somebody reads by a support grant alone."""
    cases: int = 0
    altered: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    allowed: Counter[str] = field(default_factory=Counter)
    denied: Counter[str] = field(default_factory=Counter)

    def note(self, viewer: Viewer, expected: Outcome, stored: Stored, table: str) -> None:
        """Count what known viewers are allowed and denied, and what visitors are."""
        if viewer.kind == "no identity":
            self.allowed["visitors' reading"] += len(expected.read)
            self.denied["visitors' reading"] += len(stored.rows[table]) - len(expected.read)
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

    def share(self, what: str) -> float:
        """How much of it was allowed."""
        return self.allowed[what] / max(1, self.allowed[what] + self.denied[what])

    def __str__(self) -> str:
        return (
            f"{self.cases} cases of {self.files} rule files ({self.refused} refused, {self.trimmed} trimmed,"
            f" {sum(self.altered.values())} altered, {self.supported} with support, which opened {self.opened} rows); allowed: "
            + ", ".join(f"{what} {self.share(what):.0%}" for what in self.allowed)
        )


@dataclass(frozen=True)
class Tried:
    """What came of one case."""

    state: int
    case: Case
    outcomes: dict[str, Outcome]
    mismatches: list[Mismatch]


class Failed(AssertionError):
    """The database and the meaning differ."""


def draw_file(seed: str, number: int, variant: Variant, roles: tuple[str, ...]) -> tuple[Random, Pools, Drawn]:
    """The `number`th rule file of a seed, with the source of chance to go on with."""
    rng = Random(f"{seed}/{variant.name}/{number}")
    pools = Pools.draw(rng)
    return rng, pools, RuleDrawer(rng, variant, pools, roles).draw()


def draw_state(rng: Random, variant: Variant, pools: Pools, drawn: Drawn) -> State:
    """Data, and who tries on them."""
    telling = {
        table: [column for column in TABLES[table].columns if _names(str(resource), variant.n(column.name))]
        for table, resource in zip(drawn.resources, drawn.spec["resources"].values(), strict=True)
    }
    data = DataDrawer(rng, variant, pools, telling).draw()
    viewers = draw_viewers(rng, variant, data)
    if "support" in drawn.spec:
        holders = [viewer.text for viewer in viewers if viewer.kind == "known" and viewer.text is not None]
        data.grants = draw_grants(rng, variant, data, holders, drawn.resources)
    return data, viewers


def _names(text: str, name: str) -> bool:
    """Whether a rule as text seems to look at a column."""
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


def draw_viewers(rng: Random, variant: Variant, data: Data) -> list[Viewer]:
    """Some people, and some who are nobody."""
    people = data.rows[PEOPLE]
    texts = [str(person["id"]) for person in people]
    known = rng.sample(texts, min(3, len(texts)))
    known += [str(person["id"]) for person in people if person["admin"] and str(person["id"]) not in known][:1]
    key = rng.choice(texts)
    garbage = {
        "bigint": (f"0{key}", f" {key}", f"+{key}", "99999999999999999999", "-0", "1e3", f"{key}@", "' or true --"),
        "uuid": (key.upper().replace("0", "A", 1), f"{{{key}}}", key.replace("-", ""), f"{key} ", "x"),
        "text": (f"{key} ", f"{key}@", "' or true --", "\\", "@"),
    }[variant.keys]
    nobody = (
        Viewer("unknown", str(json_key(variant, PEOPLE, 90))),
        Viewer("garbage", rng.choice(garbage)),
        Viewer("unstamped", key, stamped=False),
        Viewer("known by visitor's login", key, 1),
    )
    return [
        *(Viewer("known", text) for text in known),
        Viewer("no identity", None, rng.choice((0, 1, 1))),
        rng.choice(nobody),
    ]


@dataclass
class Trials:
    """Tries rule files of one seed in one laboratory."""

    laboratory: Laboratory
    seed: str
    tally: Tally = field(default_factory=Tally)
    with_support: bool = False

    def draw(self, number: int) -> tuple[Random, Pools, Drawn, Compiled | None]:
        """The `number`th rule file, made small enough, compiled; None where it is refused."""
        laboratory = self.laboratory
        rng, pools, drawn = draw_file(self.seed, number, laboratory.variant, laboratory.logins[::-1])
        self.tally.files += 1
        # Chance of its own: files are as they are without.
        chance = Random(f"support {self.seed}/{laboratory.variant.name}/{number}")
        if self.with_support and chance.random() < SHARE:
            drawn.spec["support"] = draw_support(chance, laboratory.variant, drawn)
            self.tally.supported += 1
        compiled = laboratory.compile(drawn.spec)
        if self._is_large(compiled):
            self.tally.trimmed += 1
        while self._is_large(compiled) and trim(drawn):
            compiled = laboratory.compile(drawn.spec)
        if isinstance(compiled, Refused):
            self.tally.refused += 1
            self.tally.codes.update({finding.code for finding in compiled.findings})
            return rng, pools, drawn, None
        return rng, pools, drawn, compiled

    def _is_large(self, compiled: Compiled | Refused) -> bool:
        if not isinstance(compiled, Compiled):
            return False
        allowed = LARGEST if compiled.support is None else LARGEST + FOR_SUPPORT
        return len(self.laboratory.script(compiled.desired)) > allowed

    def compare(
        self, number: int, spec: dict[str, Any], compiled: Compiled, states: list[State]
    ) -> dict[tuple[int, Viewer], dict[str, Outcome]]:
        """What came of every case. Raises Failed with everything needed to understand the first that differs."""
        seen: dict[tuple[int, Viewer], dict[str, Outcome]] = {}
        with closing(self.tries(spec, compiled, states)) as tries:
            differs = None
            for tried in tries:
                if tried.mismatches:
                    differs = tried
                    break
                seen[tried.state, tried.case.viewer] = tried.outcomes
        # Only now, for making it small needs the transaction to be over.
        if differs is not None:
            raise Failed(self._report(number, differs.case, differs.mismatches[0]))
        return seen

    def tries(self, spec: dict[str, Any], compiled: Compiled, states: list[State]) -> Generator[Tried]:
        """Every case in turn, up to the first that differs; an error is a difference too."""
        laboratory = self.laboratory
        case = Case(spec, states[0][0], states[0][1][0])
        place = 0
        try:
            with laboratory.applied(compiled):
                for place, (data, viewers) in enumerate(states):
                    with laboratory.loaded(data) as stored:
                        expectation = Expectation(laboratory, compiled, stored)
                        for viewer in viewers:
                            case = Case(spec, data, viewer)
                            self.tally.cases += 1
                            outcomes = laboratory.observe(compiled, stored, viewer)
                            mismatches: list[Mismatch] = []
                            for table in compiled.resources:
                                expected = expectation.outcome(viewer, table)
                                self.tally.note(viewer, expected, stored, table)
                                self.tally.opened += expectation.opened(viewer, table, expected.read)
                                mismatches += differences(viewer, table, outcomes[table], expected)
                                mismatches += explained(expectation, viewer, table, self.tally.cases)
                            yield Tried(place, case, outcomes, mismatches)
        except (psycopg.Error, PgeraseError) as error:
            message = f"{type(error).__name__} {error}"
            yield Tried(place, case, {}, [Mismatch(case.viewer, "", "error", message, "no error")])

    # -- reporting -----------------------------------------------------------------------------------------------------

    def _report(self, number: int, case: Case, first: Mismatch) -> str:
        """The case made small, with everything that tells why."""
        start = str(first.seen)[:40] if first.what == "error" else ""

        def is_alike(other: Mismatch) -> bool:
            return other.what == first.what and str(other.seen).startswith(start)

        small = shrink(case, lambda smaller: any(map(is_alike, self.differ(smaller))), SHRINKING)
        mismatches = self.differ(small)
        where = f"seed {self.seed}, variant {self.laboratory.variant.name}, rule file {number}"
        lines = [f"{where}: the database differs from the meaning", *map(str, mismatches)]
        compiled = self.laboratory.compile(small.spec)
        if isinstance(compiled, Compiled):
            lines += ["", compiled.text, "", *_rows(small.data), ""]
            if first.what == "read":
                lines += self._grants(compiled, small, mismatches)
            lines.append(self.laboratory.script(compiled.desired))
        return "\n".join(lines)

    def differ(self, case: Case) -> list[Mismatch]:
        """How the database differs from the meaning in one case."""
        compiled = self.laboratory.compile(case.spec)
        if isinstance(compiled, Refused):
            return []
        states = [(case.data, [case.viewer])]
        return [mismatch for tried in self.tries(case.spec, compiled, states) for mismatch in tried.mismatches]

    def _grants(self, compiled: Compiled, case: Case, mismatches: list[Mismatch]) -> Iterator[str]:
        with self.laboratory.applied(compiled), self.laboratory.loaded(case.data) as stored:
            expectation = Expectation(self.laboratory, compiled, stored)
            for mismatch in mismatches:
                if mismatch.what == "read":
                    for rid in sorted({*mismatch.seen} ^ {*mismatch.expected}):
                        names = expectation.granted_by(case.viewer, mismatch.resource, rid)
                        yield f"row {rid} of {mismatch.resource}: granted by {names}"


def trim(drawn: Drawn) -> bool:
    """Take the last resource away, which no other one needs, or a part of the only one; False where nothing is left."""
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
    yield from (f"grant {grant}" for grant in data.grants)
