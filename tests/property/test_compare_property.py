"""Whatever is proven of a change of rules holds for random rules, changes, data and viewers, by the reference evaluation.

"Nobody gains" must have no row that the new rules show and the old do not. PGERASE_PROPERTY_SEED repeats a run.
"""

from __future__ import annotations

import copy
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
import yaml

from pgerase.catalog.model import Name
from pgerase.compare.model import Basis, Compared
from pgerase.compare.rules import Limits, Rules, compare
from pgerase.errors import PgeraseError, RuleFileError
from pgerase.meaning import Meaning, Session
from pgerase.rules.access import AccessRules
from pgerase.rules.conditions import Action
from pgerase.rules.read_access import read_access
from tests.property.draw_rules import Drawn, RuleDrawer
from tests.property.offline import catalog_of, rows_of
from tests.property.trial import State, draw_file, draw_state
from tests.property.world import TABLES, VARIANTS

VARIANT = VARIANTS["bigint"]
CATALOG = catalog_of(VARIANT)
ROLES = ("visitor", "app")
GIVEN = os.environ.get("PGERASE_PROPERTY_SEED")
FILES = 24
STATES = 2
LONG = float(os.environ.get("PGERASE_PROPERTY_SECONDS", "600"))
LIMITS = Limits(milliseconds=150)
"""Little time, for many questions; what is not proven in it proves nothing here."""

Rights = frozenset[tuple[object, ...]]
"""(asker, row or rows) that are allowed."""


def read(spec: dict[str, Any]) -> AccessRules | None:
    """The rules; None where they are refused."""
    try:
        rules = read_access(yaml.safe_dump(spec, allow_unicode=True, sort_keys=False, width=120))
        Meaning(rules, CATALOG, dict.fromkeys(CATALOG.tables, ()), draw_file("0", 0, VARIANT, ROLES)[1].today)
    except (RuleFileError, PgeraseError):
        return None
    return rules


def _is_list_of_literals(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(one) in (str, int) for one in value)


class Changer:
    """Changes a rule file a little, somewhere: what people do to rules between two applies."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng

    def change(self, spec: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """What was done, and the changed file."""
        other = copy.deepcopy(spec)
        places = [*self._places(other)]
        weight = Counter(what for what, _, _ in places)
        # Twice as often what only a solver sees through.
        what = self.rng.choice([*sorted(weight), *(one for one in ("other_operator", "other_number") if one in weight)])
        _, holder, key = self.rng.choice([place for place in places if place[0] == what])
        getattr(self, what)(holder, key)
        return what, other

    def _places(self, node: Any, under: str = "") -> Iterator[tuple[str, Any, Any]]:
        """(method, container, key) of everything that can be changed."""
        items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, value in items:
            if under in ("rules", "require", "combine", "all", "any"):
                yield "take_away", node, key
            if key in ("all", "any"):
                yield "swap_join", node, key
            elif key == "everyone" and isinstance(value, str):
                yield "open", node, key
            elif key in ("rules", "require") and isinstance(value, list):
                yield "say_twice", node, key
            elif key == "combine" and isinstance(value, list) and len(value) > 1:
                yield "turn_round", node, key
            elif key == "who" and under == "rules":
                yield "forget", node, key
            elif key in ("eq", "lt", "le", "gt", "ge", "ne", "in", "not_in"):
                yield "other_operator", node, key
            elif key == "can" and isinstance(value, list):
                yield "fewer_actions", node, key
            elif key != "can" and _is_list_of_literals(value):
                yield "other_list", node, key
            elif isinstance(value, int | float) and not isinstance(value, bool) and key != "version":
                yield "other_number", node, key
            elif key == "rows" and isinstance(value, dict):
                yield "demand_more", node, key
                yield "allow_more", node, key
            if key not in ("references", "conditions", "inherits", "authority"):
                yield from self._places(value, str(key) if isinstance(key, str) else under)

    def take_away(self, holder: Any, key: Any) -> None:
        if isinstance(holder, list) and len(holder) > 1:
            del holder[key]

    def swap_join(self, holder: Any, key: str) -> None:
        holder["any" if key == "all" else "all"] = holder.pop(key)

    def open(self, holder: Any, key: str) -> None:
        holder[key] = self.rng.choice(("none", "read", "write"))

    def say_twice(self, holder: Any, key: str) -> None:
        again = copy.deepcopy(self.rng.choice(holder[key]))
        again["name"] = "said again"
        if "rows" in again and self.rng.random() < 0.7 and again["rows"]:
            again["rows"] = {"not": again["rows"]} if self.rng.random() < 0.4 else {"any": [again["rows"]]}
        holder[key].append(again)

    def turn_round(self, holder: Any, key: str) -> None:
        holder[key].reverse()

    def forget(self, holder: Any, key: str) -> None:
        del holder[key]

    def other_operator(self, holder: Any, key: str) -> None:
        ordered = {
            "lt": "le",
            "le": "lt",
            "gt": "ge",
            "ge": "gt",
            "eq": "ne",
            "ne": "eq",
            "in": "not_in",
            "not_in": "in",
        }
        holder[ordered[key]] = holder.pop(key)

    def fewer_actions(self, holder: Any, key: str) -> None:
        holder[key] = [self.rng.choice(("read", "insert", "update", "delete", "write"))]

    def other_list(self, holder: Any, key: Any) -> None:
        if len(holder[key]) > 1 and self.rng.random() < 0.5:
            holder[key] = holder[key][1:]
        elif holder[key]:
            first = holder[key][0]
            holder[key] = [*holder[key], first + 1 if isinstance(first, int) else "one more"]

    def other_number(self, holder: Any, key: Any) -> None:
        holder[key] += self.rng.choice((-1, 1))

    def demand_more(self, holder: Any, key: str) -> None:
        holder[key] = {"all": [holder[key], copy.deepcopy(holder[key])]} if self.rng.random() < 0.2 else holder[key]

    def allow_more(self, holder: Any, key: str) -> None:
        if self.rng.random() < 0.5:
            holder[key] = {"any": [holder[key], {"not": copy.deepcopy(holder[key])}]}


_NUMBERS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"ge": 1}, {"gt": 0}), ({"gt": 0}, {"gt": 1}), ({"in": [1, 2]}, {"le": 2}), ({"between": [0, 2]}, {"ge": 0, "lt": 2}),
    ({"ne": 1}, {"not_in": [1, 2]}), ({"lt": 1}, {"ne": 1}), ({"eq": 1}, {"between": [1, 1]}), ({"is_set": True}, {"ge": 0}),
)  # fmt: skip
_TEXTS: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    ({"starts_with": "no"}, {"contains": "o"}), ({"in": ["north", "south"]}, {"ends_with": "th"}), ({"eq": "north"}, {"ne": "south"}),
    ({"ends_with": "rth"}, {"contains": "th"}), ({"ne": "north"}, {"is_set": True}), ({"starts_with": ["no", "so"]}, {"contains": "o"}),
)  # fmt: skip


def add_bounds(rng: Random, drawn: Drawn, other: dict[str, Any]) -> str:
    """A rule or requirement that says two things of one column, before and after: what takes a thought to compare."""
    table = rng.choice(drawn.resources)
    columns = [one for one in TABLES[table].columns if one.kind in ("int", "num", "text", "vc", "big")]
    if not columns:
        return "nothing"
    column = rng.choice(columns)
    pair = list(rng.choice(_TEXTS if column.kind in ("text", "vc") else _NUMBERS))
    rng.shuffle(pair)
    part, more = rng.choice((("rules", {"can": ["write"]}), ("require", {})))
    for spec, said in zip((drawn.spec, other), pair, strict=True):
        resource = spec["resources"][table]
        rows = {column.name: said}
        resource[part] = [*resource.get(part, []), {"name": "bounds", "rows": rows, **more}]
    return f"{pair[0]} became {pair[1]}"


def rights(rules: AccessRules, state: State, now: Any) -> dict[tuple[str, Action], Rights]:
    """Everything that everyone asked about may do, by table and action."""
    data, viewers = state
    rows = {name: rows_of(VARIANT, name, found) for name, found in data.rows.items()}
    meaning = Meaning(rules, CATALOG, {VARIANT.table(name): found for name, found in rows.items()}, now)
    found: dict[tuple[str, Action], Rights] = {}
    sessions = [Session(viewer.text, ROLES[viewer.role]) for viewer in viewers if viewer.stamped]
    for resource in rules.resources:
        table = resource.table.name
        new = rows_of(VARIANT, table, data.new.get(table, [])) + rows_of(VARIANT, table, data.changed.get(table, []))
        for action in Action:
            allowed: list[tuple[object, ...]] = []
            for asker, session in enumerate(sessions):
                if action is Action.INSERT:
                    allowed += [
                        (asker, number)
                        for number, one in enumerate(new)
                        if meaning.decide(session, resource.name, action, new=one)
                    ]
                    continue
                for place, row in enumerate(rows[table]):
                    if not meaning.decide(session, resource.name, action, row=row):
                        continue
                    allowed.append((asker, place))
                    if action is Action.UPDATE:
                        allowed += [
                            (asker, place, number)
                            for number, one in enumerate(new)
                            if meaning.decide(session, resource.name, action, row=row, new=one)
                        ]
            found[str(VARIANT.table(table)), action] = frozenset(allowed)
    return found


def governed(rules: AccessRules) -> frozenset[Name]:
    return frozenset(VARIANT.table(resource.table.name) for resource in rules.resources)


class Tally:
    """What was tried."""

    def __init__(self) -> None:
        self.bases: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.why: Counter[str] = Counter()
        self.bounded: Counter[str] = Counter()
        """How often a proof said something: somebody did gain or lose, and the other side was proven."""

    def note(self, compared: Compared, before: Rights, after: Rights) -> None:
        self.verdicts[compared.verdict.value] += 1
        for side in (compared.gains, compared.losses):
            self.bases[side.basis.value] += 1
            if side.basis is Basis.OPEN:
                self.why[side.why[:60]] += 1
        if compared.gains.answer is False and before - after:
            self.bounded[compared.gains.basis.value] += 1
        if compared.losses.answer is False and after - before:
            self.bounded[compared.losses.basis.value] += 1

    def __str__(self) -> str:
        return f"{dict(self.verdicts)}; {dict(self.bases)}; proven beside a difference {dict(self.bounded)}; {dict(self.why)}"


def try_file(seed: str, number: int, tally: Tally) -> None:
    """Draw rules, change them, compare, and look for what a proof says cannot be."""
    rng, pools, drawn = draw_file(seed, number, VARIANT, ROLES)
    spec, done = copy.deepcopy(drawn.spec), list[str]()
    if rng.random() < 0.5:
        done.append(add_bounds(rng, drawn, spec))
    before = read(drawn.spec)
    if before is None:
        return
    for _ in range(rng.choice((0, 1)) if done else rng.choice((1, 1, 2))):
        what, spec = Changer(rng).change(spec)
        done.append(what)
    if rng.random() < 0.15:
        spec = copy.deepcopy(spec)
        table, resource = rng.choice(list(zip(drawn.resources, spec["resources"].values(), strict=True)))
        resource["rules"] = [*resource.get("rules", []), RuleDrawer(rng, VARIANT, pools, ROLES).another_rule(table)]
    after = read(spec)
    if after is None:
        return
    compared = compare(Rules(before, governed(before)), Rules(after, governed(after)), CATALOG, limits=LIMITS)
    for _ in range(STATES):
        state = draw_state(rng, VARIANT, pools, drawn)
        try:
            was, will = (rights(rules, state, pools.today) for rules in (before, after))
        except PgeraseError:
            return  # what the compiler refuses has no meaning
        for one in compared:
            key = (one.table, one.action)
            tally.note(one, was[key], will[key])
            place = f"seed {seed}, rule file {number}, {done}: {one}"
            if one.gains.answer is False:
                assert not will[key] - was[key], f"{place} gains {will[key] - was[key]}\n{_shown(drawn.spec, spec)}"
            if one.losses.answer is False:
                assert not was[key] - will[key], f"{place} loses {was[key] - will[key]}\n{_shown(drawn.spec, spec)}"


def _shown(before: dict[str, Any], after: dict[str, Any]) -> str:
    return "\n---\n".join(
        yaml.safe_dump(one, allow_unicode=True, sort_keys=False, width=160) for one in (before, after)
    )


def say(capfd: pytest.CaptureFixture[str], text: str) -> None:
    """Write past pytest, which would keep it to itself."""
    with capfd.disabled():
        sys.stderr.write(f"\n{text}\n")


def test_what_is_proven_of_a_change_holds(capfd):
    tally = Tally()
    for number in range(FILES):
        try_file(GIVEN or "2026", number, tally)
    say(capfd, f"comparisons: {tally}")
    assert tally.bases["open"] < 0.4 * tally.bases.total(), tally
    assert tally.bounded["solver"] > 0
    assert tally.bounded["rules"] > 0


@pytest.mark.long
def test_what_is_proven_of_a_change_holds_for_long(capfd):
    seed, tally, number = GIVEN or secrets.token_hex(4), Tally(), 0
    say(capfd, f"comparisons: seed {seed}")
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        try_file(seed, number, tally)
        number += 1
    say(capfd, f"comparisons: seed {seed}, {number} files: {tally}")
