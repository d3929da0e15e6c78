"""What the database enforces is what the rule files mean: random rule files, data and viewers against the reference evaluation.

PGERASE_PROPERTY_SEED repeats a run; a failure names the seed, the rule file and what is needed to see it.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Iterator

import pytest

from tests.fix_database import FreshDatabase
from tests.property.altered import Altered
from tests.property.features import WANTED, features
from tests.property.laboratory import Laboratory
from tests.property.trial import STATES, Tally, Trials, draw_file, draw_state
from tests.property.world import VARIANTS, Variant

GIVEN = os.environ.get("PGERASE_PROPERTY_SEED")
SEED = GIVEN or "2026"
PARTS = [(variant, part) for variant in VARIANTS for part in ("a", "b")]
CASES = 260
"""Of each part."""
ALTERED = 5
"""Every so many files are tried again in other forms."""
LONG = float(os.environ.get("PGERASE_PROPERTY_SECONDS", "600"))
LONG_CASES = 2500
"""Of each variant at least, in the long run, however long that takes: 10,000 together."""


@pytest.fixture
def laboratory(database: FreshDatabase, variant: str) -> Iterator[Laboratory]:
    """A laboratory of the variant that the test is for."""
    made = Laboratory.build(database, VARIANTS[variant])
    yield made
    made.connection.close()


def say(capfd: pytest.CaptureFixture[str], text: str) -> None:
    """Write past pytest, which would keep it to itself."""
    with capfd.disabled():
        sys.stderr.write(f"\n{text}\n")


def run(trials: Trials, number: int) -> None:
    """Try the `number`th rule file. Raises Failed."""
    rng, pools, drawn, compiled = trials.draw(number)
    if compiled is None:
        return
    laboratory = trials.laboratory
    states = [draw_state(rng, laboratory.variant, pools, drawn) for _ in range(STATES)]
    seen = trials.compare(number, drawn.spec, compiled, states)
    if number % ALTERED == 0:
        place = f"seed {trials.seed}, variant {laboratory.variant.name}, rule file {number}"
        Altered(laboratory, place, drawn, compiled, states, seen, trials.tally).check(rng, pools)


def assert_worthwhile(tally: Tally, variant: Variant) -> None:
    """Cases prove something only where much is allowed and much is denied, in every way."""
    assert tally.refused < 0.15 * tally.files, (tally.codes, tally)
    for what in ("read", "update", "delete", "insert", "change"):
        assert 0.08 < tally.share(what) < 0.75, (what, str(tally))
    assert tally.denied["change after touching"] > 0
    assert tally.allowed["visitors' reading"] > 0
    assert tally.opened > 4
    other = {"other keys"} if variant.keys == "uuid" else set()
    assert set(tally.altered) == {"another order", "one rule more", "one requirement more", "super admin", *other}


def test_enough_cases_are_tried():
    assert len(PARTS) * CASES >= 2000


@pytest.mark.parametrize(("variant", "part"), PARTS)
def test_database_does_what_rules_mean(variant, part, laboratory, capfd):
    trials = Trials(laboratory, f"{SEED}{part}", with_support=True)
    number = 0
    while trials.tally.cases < CASES:
        run(trials, number)
        number += 1
    say(capfd, f"property {variant} seed {SEED}: {trials.tally}")
    assert_worthwhile(trials.tally, laboratory.variant)


def test_drawn_files_use_the_whole_language():
    """Each word of the language in several files, counted as the reader understood them."""
    found = features(
        draw_file(f"{SEED}{part}", number, VARIANTS[variant], ("visitor", "app"))[2].spec
        for variant, part in PARTS
        for number in range(20)
    )
    missing = {feature: found[feature] for feature in WANTED if found[feature] < WANTED[feature]}
    assert not missing


@pytest.mark.long
@pytest.mark.parametrize("variant", VARIANTS)
def test_database_does_what_rules_mean_for_long(variant, laboratory, capfd):
    seed = GIVEN or secrets.token_hex(4)
    say(capfd, f"property {variant} seed {seed}")
    trials = Trials(laboratory, seed, with_support=True)
    number = 0
    until = time.monotonic() + LONG
    while time.monotonic() < until or trials.tally.cases < LONG_CASES:
        run(trials, number)
        number += 1
    say(capfd, f"property {variant} seed {seed}: {trials.tally}")
    assert_worthwhile(trials.tally, laboratory.variant)
