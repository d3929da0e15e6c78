"""Counts agree with what is counted, everywhere: no command says `1 rows`, or leaves the choice to the reader."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pgerase.counts import counted, plural

SOURCES = Path(__file__).resolve().parents[2] / "src" / "pgerase"


@pytest.mark.parametrize(
    ("count", "what", "said"),
    [
        (0, "entry", "0 entries"),
        (1, "entry", "1 entry"),
        (2, "held entry", "2 held entries"),
        (11, "person", "11 people"),
        (1, "person", "1 person"),
        (2, "key", "2 keys"),
        (2, "log class", "2 log classes"),
        (2, "leaf", "2 leaves"),
        (2, "row", "2 rows"),
        (2, "index", "2 indexes"),
    ],
)
def test_count_and_noun_agree(count: int, what: str, said: str) -> None:
    assert counted(count, what) == said
    assert plural(count, what) == said.partition(" ")[2]


SELF_MADE = re.compile(
    r"[a-z)\]]\} (?:entries|rows|people|viewers|tables|partitions|headers|segments|checkpoints|anchors|objects|findings|sessions"
    r"|messages|differences|gaps)\b|\w\((?:s|es|ies)\)"
)


def test_the_auditors_program_and_erasing_leave_no_choice_to_the_reader() -> None:
    """Neither imports the helper: one stands alone, the other is SQL."""
    for path in (SOURCES.parents[1] / "tools" / "verify_log.py", SOURCES / "compile" / "erasure" / "functions.py"):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"\w\(s\)|\{\w+\} erasures|of \{\w+\.size\} headers\b", text) == []


@pytest.mark.parametrize("folder", ["cli", "report", "operate", "plan", "prove", "install"])
def test_no_text_counts_by_itself(folder: str) -> None:
    """A number that is formatted right before a plural is wrong for one; the helper writes both."""
    found = [
        line.strip()
        for path in sorted((SOURCES / folder).rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if SELF_MADE.search(line)
    ]
    # Of several people alone.
    assert [line for line in found if "of {asked} people within reach" not in line] == []
