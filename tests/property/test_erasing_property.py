"""Erasing does what data maps mean: random schemas, maps, rows and requests against the reference meaning.

PGERASE_PROPERTY_SEED repeats a run; a failure names the seed, the schema, the map, the rows and what differs first.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from collections.abc import Iterator

import pytest

from tests.fix_database import FreshDatabase
from tests.property.erasing_trial import Laboratory, Tally, Trials

GIVEN = os.environ.get("PGERASE_PROPERTY_SEED")
SEED = GIVEN or "2026"
PARTS = ("a", "b", "c", "d")
CASES = 80
"""Of each part."""
LONG = float(os.environ.get("PGERASE_PROPERTY_SECONDS", "600"))


@pytest.fixture
def laboratory(database: FreshDatabase) -> Iterator[Laboratory]:
    made = Laboratory.build(database)
    yield made
    made.close()


def say(capfd: pytest.CaptureFixture[str], text: str) -> None:
    """Write past pytest, which would keep it to itself."""
    with capfd.disabled():
        sys.stderr.write(f"\n{text}\n")


def assert_worthwhile(tally: Tally) -> None:
    """Cases prove something only where most maps are accepted and everything happens."""
    assert tally.refused < 0.35 * tally.maps, str(tally)
    assert tally.alike > 0.5 * tally.batches, str(tally)
    assert tally.searched > tally.cases, str(tally)
    assert set(tally.strategies) == {"delete", "reassign", "ghost", "unlink", "change", "keep"}
    assert tally.settled > 0.8 * tally.cases, str(tally)


def test_enough_cases_are_tried():
    assert len(PARTS) * CASES >= 300


@pytest.mark.parametrize("part", PARTS)
def test_erasing_does_what_maps_mean(part, laboratory, capfd):
    trials = Trials(laboratory, f"{SEED}{part}")
    number = 0
    while trials.tally.cases < CASES:
        trials.schema(number)
        number += 1
    say(capfd, f"erasing seed {SEED}{part}: {trials.tally}")
    assert_worthwhile(trials.tally)


@pytest.mark.long
def test_erasing_does_what_maps_mean_for_long(laboratory, capfd):
    seed = GIVEN or secrets.token_hex(4)
    say(capfd, f"erasing seed {seed}")
    trials = Trials(laboratory, seed)
    number = 0
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        trials.schema(number)
        number += 1
    say(capfd, f"erasing seed {seed}: {trials.tally}")
    assert_worthwhile(trials.tally)
