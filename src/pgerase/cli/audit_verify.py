"""`audit verify`: is the log as it was sealed, signed and anchored?"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import click

from pgerase.cli.audit_options import anchor_file, every_of, public_key_option, seal_rules, trusted
from pgerase.cli.output import print_result, progress
from pgerase.cli.people import open_log, prefix_option
from pgerase.cli.settings import Settings, common_options
from pgerase.counts import counted
from pgerase.errors import ExitCode, Severity
from pgerase.operate.seal.findings import MEANINGS, SealFinding
from pgerase.operate.seal.keys import SealKey
from pgerase.operate.seal.verifying import SealReport, verify_log

_SHOWN = 10
_UNKNOWN_KEY = frozenset({"checkpoint-unknown-key", "anchor-unknown-key"})
"""Errors that prove neither that the log was changed nor that it was not."""


@click.command("verify")
@common_options
@prefix_option
@public_key_option
@click.option(
    "--anchors",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The file with the anchors; by default that of audit.yaml. Use a copy that the database's owners cannot change.",
)
@click.option("--strict", is_flag=True, help="Exit code 1 for warnings as well.")
@click.pass_obj
def verify(
    settings: Settings, prefix: str | None, public_keys: tuple[Path, ...], anchors: Path | None, *, strict: bool
) -> int:
    """Is the log as it was sealed, signed and anchored? Exit code 1 where it is not.

    Where nothing is sealed or signed yet, or no key was given, it is said that nothing is proven, with a warning.

    What was erased has a record, and so has what was dropped as its time was over: without one it is a finding. What is newer than
    the last seal is guarded by nothing yet, and counted.
    """
    rules = seal_rules(settings)
    keys = trusted(public_keys)
    if not keys and rules is not None:
        own = SealKey.from_environment(rules.key_env)
        keys = (own.public,) if own is not None else ()
    if anchors is None and rules is not None:
        anchors = anchor_file(settings, rules)
    with settings.open_database() as database:
        log = open_log(settings, database, prefix)
        report = verify_log(
            log,
            keys=keys,
            anchors=anchors,
            every=every_of(rules) if rules is not None else None,
            progress=lambda what: progress(f"looking at {what}"),
        )
    print_result(settings, _lines(report), _data(report))
    return ExitCode.DONE if report.ok and (report.clean or not strict) else ExitCode.NO


def _lines(report: SealReport) -> list[str]:
    groups: dict[str, list[SealFinding]] = defaultdict(list)
    for finding in report.findings:
        groups[finding.code].append(finding)
    lines: list[str] = []
    for code, found in groups.items():
        meaning = MEANINGS[code]
        lines.append(f"{meaning.severity.value} {code}: {meaning.sentence} ({len(found)})")
        lines += [f"    {finding.place()}" for finding in found[:_SHOWN] if finding.place()]
        if len(found) > _SHOWN:
            lines.append(f"    and {len(found) - _SHOWN} more")
    lines += [""] if lines else []
    lines.append(
        f"{counted(report.headers, 'header')}, {counted(report.entries, 'entry')}"
        f" of which {report.unsealed} {'is' if report.unsealed == 1 else 'are'} not sealed yet,"
        f" {counted(report.checkpoints, 'checkpoint')}"
        + ("" if report.anchors is None else f", {counted(report.anchors, 'anchor')}")
    )
    if report.signed_at is not None:
        lines.append(f"signed up to header {report.signed} at {report.signed_at:%Y-%m-%d %H:%M} UTC")
    if report.anchors is None:
        lines.append("no anchors were compared: a log that was rewritten and signed again would not be noticed")
    lines.append(_verdict(report))
    return lines


def _verdict(report: SealReport) -> str:
    """What it comes to. That nothing is wrong says little where nothing could be."""
    codes = {finding.code for finding in report.findings}
    if not report.ok:
        if any(MEANINGS[code].severity is Severity.ERROR for code in codes - _UNKNOWN_KEY):
            return "the log is NOT as it was sealed"
        how = "not proven throughout: some of the signatures are" if report.signed else "not proven: the signatures are"
        return f"{how} of another key than the ones given; nothing else is wrong"
    if "nothing-sealed" in codes:
        return "nothing is sealed yet: nothing is proven"
    if "nothing-signed" in codes:
        return "nothing is signed yet: nothing is proven"
    if "signatures-unchecked" in codes:
        return "the log agrees with its seals, and no signature was checked: give --public-key"
    return "the log is as it was sealed"


def _data(report: SealReport) -> dict[str, object]:
    return {
        "command": "audit verify",
        "ok": report.ok,
        "headers": report.headers,
        "entries": report.entries,
        "unsealed": report.unsealed,
        "checkpoints": report.checkpoints,
        "signed": report.signed,
        "signed_at": report.signed_at.isoformat() if report.signed_at else None,
        "anchors": report.anchors,
        "findings": [
            {
                "code": one.code,
                "severity": one.severity.value,
                "message": MEANINGS[one.code].sentence,
                "class": one.class_name,
                "segment": one.segment,
                "entry": one.entry,
                "part": one.part,
                "detail": one.detail,
            }
            for one in report.findings
        ],
    }
