"""What verifying is told and what it answers, as frozen values. A report names people and rows by their keys, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pgerase.errors import Finding, Severity


@dataclass(frozen=True, slots=True)
class Sample:
    """How much is looked at. `seed` makes the same sample again on the same data.

    `whole`: a table of at most so many rows is compared row by row, a larger one by `rows` of them. `hold`: more rows than
    that are not kept in memory; facts in a larger table mean that nobody could look. `viewers` and `writers` are people,
    `probes` the writes tried for each writer, table and action.
    """

    seed: int = 1
    viewers: int = 30
    rows: int = 300
    whole: int = 1000
    hold: int = 200_000
    writers: int = 6
    probes: int = 4
    examples: int = 3


class Verdict(StrEnum):
    """OK; FAIL: something is not as the rules mean it; UNSEEN: nobody could look, which is never a pass."""

    OK = "ok"
    FAIL = "FAIL"
    UNSEEN = "NOT SEEN"


@dataclass(frozen=True, slots=True)
class Looked:
    """One object: what was looked at and what came of it. `extent` says how much, in words."""

    object: str
    what: str
    extent: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Counterexample:
    """One disagreement: a viewer, an action, a row by its key, what the rules mean and why, and what the database did."""

    object: str
    viewer: str
    action: str
    row: str
    expected: str
    because: tuple[str, ...]
    found: str

    def __str__(self) -> str:
        why = f" ({', '.join(self.because)})" if self.because else ""
        return (
            f"{self.viewer}, {self.action} {self.object} {self.row}: expected {self.expected}{why}, found {self.found}"
        )


@dataclass(frozen=True, slots=True)
class ShadowCount:
    """What a table in mode shadow would change for the viewers of one stratum."""

    table: str
    stratum: str
    viewers: int
    rows: int
    now: int
    then: int
    gain: int
    lose: int


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Everything that was looked at. `findings` hold what is wrong and what could not be looked at; notes fail nothing."""

    pack: str
    database: str
    server_version: int
    sample: Sample
    viewers: tuple[tuple[str, str], ...]
    """Who was looked at, as (stratum, key)."""
    looked: tuple[Looked, ...]
    findings: tuple[Finding, ...]
    counterexamples: tuple[Counterexample, ...]
    disagreements: int
    """How many there were in all; `counterexamples` are a few of each table."""
    shadow: tuple[ShadowCount, ...] = ()

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that are more than notes."""
        return tuple(finding for finding in self.findings if finding.severity is not Severity.NOTE)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong and nothing was left unseen."""
        return not self.failures and all(one.verdict is Verdict.OK for one in self.looked)


def unseen(subject: str, message: str, hint: str = "") -> Finding:
    """Nobody could look, so nobody says it is right."""
    return Finding("could-not-look", Severity.ERROR, subject, f"could not look: {message}", hint)
