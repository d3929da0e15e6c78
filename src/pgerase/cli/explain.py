"""`explain`: may somebody do that to a row, why or why not, and does the database say the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TextIO, cast

import click

from pgerase.cli.output import finding_data, findings_text, print_result
from pgerase.cli.settings import Settings, common_options
from pgerase.errors import ExitCode, Severity, UsageError
from pgerase.explain import Question, aggregate_named, explain_aggregate
from pgerase.explain import explain as explain_row
from pgerase.report.explanation import aggregate_data, aggregate_lines, explanation_data, explanation_lines
from pgerase.rules.conditions import Action
from pgerase.verify import Sample


@click.command("explain")
@common_options
@click.argument("action", type=click.Choice([action.value for action in Action]))
@click.argument("resource")
@click.argument("key", required=False)
@click.option("--viewer", metavar="KEY", help="Who asks: a key of the viewers table.")
@click.option("--role", metavar="NAME", help="Who asks: a session of this role that presents nobody.")
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="COLUMN=VALUE",
    help="A value of the new row, for insert and update; as often as needed.",
)
@click.option(
    "--new",
    "file",
    type=click.File(encoding="utf-8"),
    help="The new row's values as a JSON object, from a file; - is stdin.",
)
@click.option("--values", is_flag=True, help="Show what was compared too: this may be personal data.")
@click.option(
    "--hold",
    type=click.IntRange(min=1),
    default=Sample().hold,
    show_default=True,
    help="Hold at most so many rows of a table in memory.",
)
@click.pass_obj
def explain(
    settings: Settings,
    action: str,
    resource: str,
    key: str | None,
    viewer: str | None,
    role: str | None,
    assignments: tuple[str, ...],
    file: TextIO | None,
    values: bool,
    hold: int,
) -> ExitCode:
    """Explain what the rules decide about one row: `explain read company 17 --viewer 3`.

    RESOURCE is a name of access.yaml, KEY the row's primary key (of several columns: the text of a JSON array); an insert has
    none. RESOURCE may also be an aggregate, which has no key. The database is asked as well, and everything is rolled back. Exit code 0 whether it is allowed or denied; 1 where the
    database does not do what the rules mean.
    """
    pack = settings.read_pack()
    if pack is None:
        raise UsageError("no pack was given", hint="Name the folder with the rule files: --pack DIR.")
    question = Question(Action(action), resource, key, viewer, role, _new(assignments, file), values=values)
    with settings.open_database() as database:
        if aggregate_named(pack, resource) is not None:
            shown = explain_aggregate(database, pack, question, hold=hold)
            lines, data, findings = aggregate_lines(shown), aggregate_data(shown), shown.findings
        else:
            answer = explain_row(database, pack, question, hold=hold)
            lines, data, findings = explanation_lines(answer), explanation_data(answer), answer.findings
    if findings:
        lines += ["", findings_text(findings)]
    print_result(settings, lines, {**data, "findings": [finding_data(finding) for finding in findings]})
    wrong = any(finding.severity is Severity.ERROR for finding in findings)
    return ExitCode.NO if wrong else ExitCode.DONE


def _new(assignments: Sequence[str], file: TextIO | None) -> dict[str, object] | None:
    """The new row's values; None without any. Raises UsageError for what is no value."""
    found: dict[str, object] = {}
    if file is not None:
        try:
            given = json.load(file)
        except ValueError as error:
            raise UsageError(f"the new row is no JSON: {error}") from error
        if not isinstance(given, dict):
            raise UsageError("the new row is a JSON object", hint='Write it as {"column": value, …}.')
        found.update(cast("dict[str, object]", given))
    for assignment in assignments:
        column, equals, value = assignment.partition("=")
        if not equals or not column:
            raise UsageError("a value of the new row is written COLUMN=VALUE", hint="For null and arrays: --new FILE.")
        found[column] = value
    return found if found or file is not None else None
