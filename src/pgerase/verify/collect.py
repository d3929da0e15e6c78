"""Collects what verifying finds: a line an object, a few counterexamples a table, findings. It decides nothing."""

from __future__ import annotations

from collections import Counter

from pgerase.counts import counted
from pgerase.errors import Finding, Severity
from pgerase.verify.model import Counterexample, Looked, Verdict


class Collector:
    """What was found so far."""

    def __init__(self, examples: int) -> None:
        self._most = examples
        self._lines: dict[tuple[str, str], Looked] = {}
        self._examples: list[Counterexample] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._first: dict[tuple[str, str], Counterexample] = {}
        self.findings: list[Finding] = []

    def looked(self, name: str, what: str, extent: str, verdict: Verdict) -> None:
        """The line of one object."""
        self._lines[name, what] = Looked(name, what, extent, verdict)

    def settle(self, name: str, what: str, extent: str) -> None:
        """The line of an object that was compared: FAIL where there was a disagreement about it."""
        failed = self._counts[name, what] > 0
        self.looked(name, what, extent, Verdict.FAIL if failed else Verdict.OK)

    def settled(self, name: str, what: str, extent: str, before: int) -> None:
        """The line of a session: FAIL where disagreements were added to those there were before, in this session or another."""
        known = self._lines.get((name, what))
        failed = self.disagreements > before or (known is not None and known.verdict is not Verdict.OK)
        self.looked(name, what, extent, Verdict.FAIL if failed else Verdict.OK)

    def unseen(self, finding: Finding, what: str) -> None:
        """An object nobody could look at."""
        self.findings.append(finding)
        self.looked(finding.subject, what, finding.message, Verdict.UNSEEN)

    def disagree(self, what: str, example: Counterexample) -> None:
        """One disagreement; the first few of an object are kept."""
        self._counts[example.object, what] += 1
        self._first.setdefault((example.object, what), example)
        if self._counts[example.object, what] <= self._most:
            self._examples.append(example)

    def one_more(self, name: str, what: str) -> None:
        """A disagreement that is only counted."""
        self._counts[name, what] += 1

    def is_full(self, name: str, what: str) -> bool:
        """Whether a further disagreement would only be counted."""
        return self._counts[name, what] >= self._most

    @property
    def lines(self) -> tuple[Looked, ...]:
        """A line an object, in the order in which they were looked at."""
        return tuple(self._lines.values())

    @property
    def examples(self) -> tuple[Counterexample, ...]:
        """The counterexamples kept."""
        return tuple(self._examples)

    @property
    def disagreements(self) -> int:
        """All of them."""
        return sum(self._counts.values())

    def mismatches(self) -> tuple[Finding, ...]:
        """A finding for every object with disagreements, with its first counterexample."""
        return tuple(
            Finding(
                f"mismatch-{what.replace(' ', '-')}",
                Severity.ERROR,
                name,
                f"{counted(count, 'disagreement')} with the rules; {self._first[name, what]}",
                "See what drift and plan say; if they say nothing, the generated SQL is wrong: please report it.",
            )
            for (name, what), count in self._counts.items()
            if count
        )
