"""Findings as text for people: place, severity, code, message, the source line with a caret, the hint. Decides nothing."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from pgerase.errors import Finding, Position

_WIDEST_LINE = 160


def format_findings(findings: Iterable[Finding]) -> str:
    """`file:line:column: error[code]: message` for each, its source line and hint below; empty for no findings."""
    return "\n".join(_format(finding) for finding in findings)


def _format(finding: Finding) -> str:
    place = f"{printable(str(finding.at))}: " if finding.at is not None else ""
    subject = f" ({printable(finding.subject)})" if finding.subject else ""
    lines = [f"{place}{finding.severity}[{finding.code}]: {printable(finding.message)}{subject}"]
    if finding.at is not None and finding.at.text:
        lines += _excerpt(finding.at)
    if finding.hint:
        lines.append(f"    hint: {printable(finding.hint)}")
    if finding.page:
        lines.append(f"    see: {finding.page}")
    return "\n".join(lines)


def _excerpt(at: Position) -> list[str]:
    """The source line, cut around the place where it is long, and a caret below the place."""
    start = max(0, at.column - 1 - _WIDEST_LINE // 2) if len(at.text) > _WIDEST_LINE else 0
    shown = at.text[start : start + _WIDEST_LINE]
    before = printable(shown[: at.column - 1 - start])
    return [f"    {printable(shown)}", f"    {' ' * _width(before)}^"]


def printable(text: str) -> str:
    """Text that cannot move the cursor or recolour the terminal: what a rule file holds is not ours to trust."""
    return "".join(character if _is_harmless(character) else " " for character in text)


def _is_harmless(character: str) -> bool:
    return character == " " or unicodedata.category(character)[0] not in "CZ"


def _width(text: str) -> int:
    """Columns on a terminal: wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
