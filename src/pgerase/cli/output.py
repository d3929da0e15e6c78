"""Printing: results on standard output, everything else on standard error, and asking before something is changed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import click

from pgerase.cli.settings import Settings
from pgerase.errors import Finding, FindingsError, PgeraseError, Refused
from pgerase.report import json_text

FORMAT = 1
"""The version of the JSON a command prints; it grows when a field changes its meaning or goes."""


def print_result(settings: Settings, lines: Sequence[str], data: Mapping[str, Any]) -> None:
    """The result: `lines` as text, or `data` as JSON with the format's version."""
    if settings.json:
        click.echo(json_text({"format": FORMAT, **data}, indent=2))
    else:
        for line in lines:
            click.echo(_harmless(line))


def print_script(text: str) -> None:
    """A script, to the letter."""
    click.echo(text)


def progress(message: str) -> None:
    """Say what is going on, on standard error."""
    click.echo(_harmless(message), err=True)


# What moves the cursor, recolours a terminal or turns text around: tables may be called so. Lines and tabs are ours. Halves of
# pairs are what bytes become that are no text, as in a file's name; no stream takes them.
_HARMFUL = dict.fromkeys(
    [
        *(*range(9), *range(11, 32), *range(127, 160)),
        *(*range(0x2028, 0x202F), *range(0x2066, 0x206A), *range(0xD800, 0xE000)),
    ],
    " ",
)


def _harmless(text: str) -> str:
    return text.translate(_HARMFUL)


def confirm(question: str, *, yes: bool) -> None:
    """Go on where `yes` was given or somebody at a terminal says so. Raises Refused otherwise."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused(
            "nobody is there to ask, and nothing was changed",
            hint=f"--yes answers this question with yes: {question}",
        )
    if not click.confirm(question, err=True):
        raise Refused("nothing was changed")


def print_error(
    settings: Settings,
    *,
    kind: str,
    code: int,
    message: str = "",
    hint: str = "",
    error: PgeraseError | None = None,
    data: Mapping[str, Any] | None = None,
) -> None:
    """An error with its hint and findings: text on standard error, JSON on standard output, with the `data` there are besides."""
    findings: tuple[Finding, ...] = ()
    if error is not None:
        message, hint = error.message, error.hint
        findings = error.findings if isinstance(error, FindingsError) else ()
    if settings.json:
        what = {
            "kind": kind,
            "message": message,
            "hint": hint,
            "exit_code": int(code),
            "findings": [finding_data(finding) for finding in findings],
        }
        click.echo(json_text({"format": FORMAT, **(data or {}), "error": what}, indent=2))
        return
    if findings:
        click.echo(_harmless(findings_text(findings)), err=True)
    click.echo(_harmless(f"error: {message}"), err=True)
    if hint:
        click.echo(_harmless(f"hint: {hint}"), err=True)


def finding_data(finding: Finding) -> dict[str, Any]:
    """A finding as JSON wants it."""
    at = finding.at
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "subject": finding.subject,
        "message": finding.message,
        "hint": finding.hint,
        "fix": finding.fix,
        "page": finding.page,
        "at": None if at is None else {"file": at.file, "line": at.line, "column": at.column},
    }


def findings_text(findings: Sequence[Finding]) -> str:
    """Findings as people read them: by `pgerase.report` where it can show the lines of the files, else one after the other."""
    if find_spec("pgerase.report") is not None:
        return str(import_module("pgerase.report").format_findings(findings))
    lines: list[str] = []
    for finding in findings:
        where = f"{finding.at}: " if finding.at else ""
        lines.append(f"{where}{finding.severity.value} {finding.code}: {finding.subject}: {finding.message}")
        if finding.hint:
            lines.append(f"    {finding.hint}")
        if finding.page:
            lines.append(f"    {finding.page}")
    return "\n".join(lines)
