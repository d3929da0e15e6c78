"""`matrix`: who may do what, as counts of rows."""

from __future__ import annotations

import click

from pgerase.cli.output import finding_data, findings_text, print_result, progress
from pgerase.cli.settings import Settings, common_options_with, formats
from pgerase.errors import ExitCode, Severity, UsageError
from pgerase.explain import MatrixQuestion
from pgerase.explain import matrix as count_matrix
from pgerase.report.matrix import matrix_csv, matrix_data, matrix_html, matrix_lines
from pgerase.rules.conditions import Action

_DEFAULT = MatrixQuestion()


@click.command("matrix")
@common_options_with(formats("text", "csv", "html", "json"))
@click.option("--viewer", "viewers", multiple=True, metavar="KEY", help="Count for this viewer; as often as needed.")
@click.option("--group", "groups", multiple=True, metavar="NAME", help="Count for members of this group.")
@click.option("--resource", "resources", multiple=True, metavar="NAME", help="Count this resource only.")
@click.option(
    "--action",
    "actions",
    multiple=True,
    type=click.Choice([action.value for action in Action]),
    help="Count this action only; read and update by default, with --expected all.",
)
@click.option("--expected", is_flag=True, help="Count by the rules' meaning too, and compare.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=_DEFAULT.sample,
    show_default=True,
    help="How many people to count for where none are named.",
)
@click.option(
    "--members",
    type=click.IntRange(min=1),
    default=_DEFAULT.members,
    show_default=True,
    help="How many members of a group to count for.",
)
@click.option("--seed", type=int, default=_DEFAULT.seed, show_default=True, help="Draw other people.")
@click.option(
    "--hold",
    type=click.IntRange(min=1),
    default=_DEFAULT.hold,
    show_default=True,
    help="Hold at most so many rows of a table in memory.",
)
@click.pass_obj
def matrix(
    settings: Settings,
    viewers: tuple[str, ...],
    groups: tuple[str, ...],
    resources: tuple[str, ...],
    actions: tuple[str, ...],
    expected: bool,
    sample: int,
    members: int,
    seed: int,
    hold: int,
) -> ExitCode:
    """Count the rows of every resource that people may read and change, as text, CSV, HTML or JSON.

    The database counts as these people; everything is rolled back. Without --viewer and --group a sample is drawn, one of every
    kind that the rules tell apart. Inserts and deletes are counted by the rules alone, with --expected. Exit code 1 where the database
    counts other rows than the rules mean.
    """
    pack = settings.read_pack()
    if pack is None:
        raise UsageError("no pack was given", hint="Name the folder with the rule files: --pack DIR.")
    wanted = tuple(Action(action) for action in dict.fromkeys(actions)) or (
        tuple(Action) if expected else _DEFAULT.actions
    )
    uncounted = [action.value for action in wanted if action in (Action.INSERT, Action.DELETE)]
    if uncounted and not expected:
        message = f"the database cannot count {' and '.join(uncounted)} without doing it"
        raise UsageError(message, hint="Add --expected: then the rules' meaning counts.")
    question = MatrixQuestion(viewers, groups, resources, wanted, sample, members, seed, hold, expected)
    with settings.open_database() as database:
        found = count_matrix(database, pack, question, progress=progress)
    wrong = any(finding.severity is Severity.ERROR for finding in found.findings)
    if settings.format in ("csv", "html"):
        click.echo(matrix_csv(found) if settings.format == "csv" else matrix_html(found), nl=False)
        if found.findings:
            click.echo(findings_text(found.findings), err=True)
        return ExitCode.NO if wrong else ExitCode.DONE
    lines = matrix_lines(found)
    if found.findings:
        lines += ["", findings_text(found.findings)]
    data = {**matrix_data(found), "findings": [finding_data(finding) for finding in found.findings]}
    print_result(settings, lines, data)
    return ExitCode.NO if wrong else ExitCode.DONE
