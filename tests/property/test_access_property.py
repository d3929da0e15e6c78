"""What the database enforces is what the rule files mean: random rule files, data and viewers against the reference evaluation.

PGERASE_PROPERTY_SEED repeats a run; a failure names the seed, the rule file and what is needed to see it.
"""

from __future__ import annotations

import os
import secrets
import sys
import time

import pytest

from tests.fix_database import FreshDatabase
from tests.property.features import WANTED, features
from tests.property.laboratory import Laboratory
from tests.property.trial import Tally, Trials, draw_file
from tests.property.world import VARIANTS

SEED = os.environ.get("PGERASE_PROPERTY_SEED", "2026")
PARTS = [(variant, part) for variant in VARIANTS for part in ("a", "b")]
CASES = 260
"""Of each part."""
LONG = float(os.environ.get("PGERASE_PROPERTY_SECONDS", "600"))


def say(capfd: pytest.CaptureFixture[str], text: str) -> None:
    """Print past pytest, which would keep it to itself."""
    with capfd.disabled():
        print(f"\n{text}", file=sys.stderr, flush=True)


def laboratory(database: FreshDatabase, variant: str) -> Laboratory:
    return Laboratory.build(database, VARIANTS[variant])


def assert_worthwhile(tally: Tally) -> None:
    """Cases prove something only where much is allowed and much is denied, in every way."""
    assert tally.refused + tally.large < 0.15 * tally.files, (tally.codes, tally)
    for what in ("read", "update", "delete", "insert", "change"):
        share = tally.allowed[what] / (tally.allowed[what] + tally.denied[what])
        assert 0.08 < share < 0.75, (what, tally)
    assert tally.denied["change after touching"] > tally.cases / 20
    assert tally.altered > 0


def test_enough_cases_are_tried():
    assert len(PARTS) * CASES >= 2000


@pytest.mark.parametrize(("variant", "part"), PARTS)
def test_database_does_what_rules_mean(variant, part, database, capfd):
    trials = Trials(laboratory(database, variant), f"{SEED}{part}")
    number = 0
    while trials.tally.cases < CASES:
        trials.run(number)
        number += 1
    say(capfd, f"property {variant} seed {SEED}: {trials.tally}")
    assert_worthwhile(trials.tally)


def test_drawn_files_use_the_whole_language():
    """Each word of the language in several files, counted as the reader understood them."""
    found = features(
        draw_file(f"{SEED}{part}", number, VARIANTS[variant], ("visitor", "app"))[2].spec
        for variant, part in PARTS
        for number in range(15)
    )
    missing = {feature: found[feature] for feature in WANTED if found[feature] < WANTED[feature]}
    assert not missing


@pytest.mark.long
@pytest.mark.parametrize("variant", VARIANTS)
def test_database_does_what_rules_mean_for_long(variant, database, capfd):
    seed = os.environ.get("PGERASE_PROPERTY_SEED") or secrets.token_hex(4)
    say(capfd, f"property {variant} seed {seed}")
    trials = Trials(laboratory(database, variant), seed)
    number = 0
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        trials.run(number)
        number += 1
    say(capfd, f"property {variant} seed {seed}: {trials.tally}")
    assert_worthwhile(trials.tally)
