"""What a run of the readers knows: the findings so far and where in the file it stands. Knows no grammar."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn, TypeVar

from pgerase.counts import counted
from pgerase.errors import Finding, Position, RuleFileError, Severity

if TYPE_CHECKING:
    from pgerase.rules.yaml_nodes import Node

T = TypeVar("T")

_LISTED_IN_FULL = 16


class Unreadable(Exception):
    """Part of a file could not be read and has been reported; whoever reads the rest goes on without it."""


class Reading:
    """Collects every finding of every file, so that one run shows all of them.

    `conditions` are the nodes of the named conditions of the file being read; `uses` is the chain of names being
    expanded, with the place of each use (none while a named condition is checked by itself).
    """

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.conditions: dict[str, Node] = {}
        self.uses: list[tuple[str, Position | None]] = []
        self.expanded = 0
        self.is_exhausted = False
        self.depth = 0
        self._seen: set[tuple[str, Position, str]] = set()
        self._trail: list[str] = []

    @contextmanager
    def within(self, name: str) -> Generator[None]:
        """Add `name` to what findings are said to be about, as `resources.company.rules`."""
        self._trail.append(name)
        try:
            yield
        finally:
            self._trail.pop()

    def error(self, code: str, message: str, at: Position, hint: str = "") -> None:
        """Report an error. The same one at the same place is reported once: named conditions are read at every use."""
        key = (code, at, message)
        if key not in self._seen:
            self._seen.add(key)
            if self.uses and self.uses[0][1] is not None:
                hint = "; ".join(part for part in (hint, f"used at {self.uses[0][1]}") if part)
            self.findings.append(Finding(code, Severity.ERROR, ".".join(self._trail), message, hint, at))

    def fail(self, code: str, message: str, at: Position, hint: str = "") -> NoReturn:
        """Report an error and give up on this part of the file. Raises Unreadable."""
        self.error(code, message, at, hint)
        raise Unreadable

    def attempt(self, read: Callable[[], T]) -> T | None:
        """What `read` returns, or None where it was unreadable."""
        try:
            return read()
        except Unreadable:
            return None

    def finish(self) -> None:
        """Raise RuleFileError with all findings, in the order of files and lines, if there are any."""
        if not self.findings:
            return
        ordered = tuple(sorted(self.findings, key=_place))
        raise RuleFileError(f"the rule files have {counted(len(ordered), 'error')}", ordered)


def _place(finding: Finding) -> tuple[str, int, int]:
    if finding.at is None:
        return ("", 0, 0)
    return (finding.at.file, finding.at.line, finding.at.column)


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint for a word that is not known: the nearest one, or all of them where they are few and none is near."""
    candidates = sorted(set(known))
    if not candidates:
        return ""
    folded = {_fold(candidate): candidate for candidate in candidates}
    close = difflib.get_close_matches(_fold(word), list(folded), n=1, cutoff=0.6)
    if close:
        return f"did you mean {folded[close[0]]}?"
    if len(candidates) <= _LISTED_IN_FULL:
        return f"known here: {', '.join(candidates)}"
    return ""


def _fold(word: str) -> str:
    return word.casefold().replace("-", "_").replace(" ", "_")
