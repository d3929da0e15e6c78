"""What the tests of the readers share: findings as short text."""

from __future__ import annotations

from collections.abc import Callable

from pgerase.errors import Finding, RuleFileError

VIEWERS = "version: 1\nviewers: {table: u, key: id, identity: setting}\n"
"""Two lines; what follows starts on line 3."""

RESOURCE = VIEWERS + "resources:\n  r:\n    table: t\n    everyone: none\n"
"""Six lines; what follows starts on line 7, indented by four."""

MAP = "version: 1\nsubjects:\n  p: {table: s.p, key: id, identifiers: {mail: mail}}\ntables:\n"
"""Four lines; what follows starts on line 5, indented by two."""


def findings_of(read: Callable[[], object]) -> tuple[Finding, ...]:
    """What `read` finds wrong; nothing where it succeeds."""
    try:
        read()
    except RuleFileError as error:
        return error.findings
    return ()


def places(findings: tuple[Finding, ...]) -> list[str]:
    """`line:column code` of each finding, in order."""
    return [f"{finding.at.line}:{finding.at.column} {finding.code}" for finding in findings if finding.at is not None]
