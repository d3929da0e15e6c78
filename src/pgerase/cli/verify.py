"""`verify`: an aligned line an object, the counterexamples, the findings, and two lines that sum it up."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from pgerase.cli.output import finding_data, findings_text, print_result, progress
from pgerase.cli.settings import Settings, common_options
from pgerase.counts import counted, plural
from pgerase.errors import ExitCode, UsageError
from pgerase.verify import Sample, Verdict, VerifyReport
from pgerase.verify import verify as verify_pack

_DEFAULT = Sample()


@click.command("verify")
@common_options
@click.option("--seed", type=int, default=_DEFAULT.seed, show_default=True, help="Draw another sample.")
@click.option(
    "--viewers",
    type=click.IntRange(min=1),
    default=_DEFAULT.viewers,
    show_default=True,
    help="How many people to look as.",
)
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=_DEFAULT.rows,
    show_default=True,
    help="How many rows to compare of a table too large to be compared wholly.",
)
@click.option(
    "--whole",
    type=click.IntRange(min=0),
    default=_DEFAULT.whole,
    show_default=True,
    help="Compare tables of at most so many rows wholly.",
)
@click.option(
    "--hold",
    type=click.IntRange(min=1),
    default=_DEFAULT.hold,
    show_default=True,
    help="Hold at most so many rows of a table in memory.",
)
@click.option("--table", "tables", multiple=True, metavar="TABLE", help="Look at the behaviour of this table only.")
@click.option("--shadow", is_flag=True, help="Say who would lose and gain what, were the tables in mode shadow on.")
@click.option(
    "--allow-superuser", is_flag=True, help="Run as a role that no policy binds; it acts as others all the same."
)
@click.pass_obj
def verify(
    settings: Settings,
    seed: int,
    viewers: int,
    rows: int,
    whole: int,
    hold: int,
    tables: tuple[str, ...],
    shadow: bool,
    allow_superuser: bool,
) -> int:
    """Compare what the database shows and lets people do with what the rules mean, and look for ways around them.

    Everything happens in one transaction that is rolled back. Exit code 1 where something is wrong, or where nobody could
    look: what was not seen has not passed.
    """
    pack = settings.read_pack()
    if pack is None:
        raise UsageError("no pack was given", hint="Name the folder with the rule files: --pack DIR.")
    sample = Sample(seed=seed, viewers=viewers, rows=rows, whole=whole, hold=hold)
    with settings.open_database() as database:
        report = verify_pack(
            database,
            pack,
            sample=sample,
            allow_superuser=allow_superuser,
            shadow=shadow,
            tables=tables,
            progress=progress,
        )
    print_result(settings, _lines(report), _data(report))
    return ExitCode.DONE if report.ok else ExitCode.NO


def _lines(report: VerifyReport) -> list[str]:
    name_width = max((len(one.object) for one in report.looked), default=0)
    what_width = max((len(one.what) for one in report.looked), default=0)
    extent_width = max((len(one.extent) for one in report.looked if one.verdict is Verdict.OK), default=0)
    lines = [
        f"{one.object:<{name_width}}  {one.what:<{what_width}}  {one.extent:<{extent_width}}  {one.verdict.value}"
        for one in report.looked
    ]
    lines += _shadow(report)
    if report.counterexamples:
        lines.append("")
        lines += [f"  {example}" for example in report.counterexamples]
    if report.failures:
        lines += ["", findings_text(report.failures)]
    notes = len(report.findings) - len(report.failures)
    if notes:
        lines += ["", f"{counted(notes, 'note')}, which fail nothing: see --format json"]
    return [*lines, "", *_summary(report)]


def _shadow(report: VerifyReport) -> list[str]:
    if not report.shadow:
        return []
    width = max(len(one.stratum) for one in report.shadow)
    table = max(len(one.table) for one in report.shadow)
    return [
        f"{one.table:<{table}}  {one.stratum:<{width}}  {one.viewers:>3} {plural(one.viewers, 'viewer'):<7}"
        f"  now {one.now:>7}  then {one.then:>7}  gain {one.gain:>6}  lose {one.lose:>6}"
        for one in report.shadow
    ]


def _summary(report: VerifyReport) -> tuple[str, str]:
    """Two lines: what was looked at, and what came of it."""
    strata = len({stratum for stratum, _ in report.viewers})
    seen = (
        f"{counted(len(report.looked), 'object')}, {counted(len(report.viewers), 'viewer')} of {strata} {'stratum' if strata == 1 else 'strata'}, seed {report.sample.seed}, "
        f"PostgreSQL {report.server_version // 10000}.{report.server_version % 10000}"
    )
    if report.ok:
        return seen, f"verified: {report.pack} on {report.database} does what its rules mean"
    unseen = sum(one.verdict is Verdict.UNSEEN for one in report.looked)
    return (
        seen,
        (
            f"NOT verified: {counted(len(report.failures), 'finding')}, {counted(report.disagreements, 'disagreement')} with the rules, "
            f"{counted(unseen, 'object')} not seen"
        ),
    )


def _data(report: VerifyReport) -> dict[str, Any]:
    return {
        "command": "verify",
        "ok": report.ok,
        "pack": report.pack,
        "database": report.database,
        "server_version": report.server_version,
        "sample": asdict(report.sample),
        "viewers": [{"stratum": stratum, "viewer": label} for stratum, label in report.viewers],
        "objects": [
            {"object": one.object, "what": one.what, "extent": one.extent, "verdict": one.verdict.value}
            for one in report.looked
        ],
        "disagreements": report.disagreements,
        "counterexamples": [asdict(example) for example in report.counterexamples],
        "findings": [finding_data(finding) for finding in report.findings],
        "shadow": [asdict(count) for count in report.shadow],
    }
