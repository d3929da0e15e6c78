"""`plan`, `apply`, `revert`, `off`, `drift`, `render` and `backup-check`: show, ask, do, say what was done."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from pgerase.apply.backup import Verdict, check_backup
from pgerase.apply.execute import apply_plan, refuse, stand_in_the_way
from pgerase.apply.ledger import drift as find_drift
from pgerase.apply.ledger import find_prefix, read_state
from pgerase.apply.locks import Patience
from pgerase.apply.prepare import Prepared, prepare
from pgerase.catalog.model import Catalog, Name
from pgerase.check.spelling import nearest, spell
from pgerase.cli.lengths import length
from pgerase.cli.missing import warn_of_missing
from pgerase.cli.output import confirm, finding_data, findings_text, print_result, print_script, progress
from pgerase.cli.settings import Settings, common_options
from pgerase.compare.model import compared_data
from pgerase.counts import counted
from pgerase.database import Database
from pgerase.errors import ExitCode, RuleFileError, Severity, StalePlan, UsageError
from pgerase.plan.files import lines, overview, script, summary
from pgerase.plan.gains import gains_lines
from pgerase.plan.model import Applied, Plan, read_plan, step_data
from pgerase.plan.revert import make_off, make_revert
from pgerase.rules.pack import Pack
from pgerase.verify.changes import compared_plan

_prefix = click.option("--prefix", metavar="NAME", help="Instead of the pack's prefix, or the one installed here.")
_yes = click.option("--yes", is_flag=True, help="Do not ask, and print the plan in short, a line a table.")
_verbose = click.option("-v", "--verbose", is_flag=True, help="Print every step of the plan, with --yes as well.")
_allow_drop = click.option("--allow-drop", is_flag=True, help="Needed where the plan has `-` lines that drop.")
_wait = click.option(
    "--lock-timeout",
    callback=length("seconds", least=timedelta(0)),
    default="30s",
    show_default=True,
    metavar="LENGTH",
    help="How long to try to lock all tables at once. While trying, nobody is blocked.",
)


@click.command("plan")
@common_options
@click.option("--exit-code", is_flag=True, help="Exit with 1 where something is pending.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the plan to a file for apply."
)
@click.option("--sql", "as_sql", is_flag=True, help="Print the script that apply would run.")
@click.option("--same", is_flag=True, help="List objects that stay the same as well.")
@click.pass_obj
def plan(settings: Settings, exit_code: bool, output: Path | None, as_sql: bool, same: bool) -> int:
    """Show what would change, with the locks it takes and whether people see more or less.

    Lines begin with `+` create, `~` alter, `-` drop, `=` same. Findings that stand in the way are listed and end with
    exit code 3.
    """
    pack = _pack(settings)
    with settings.open_database() as database:
        progress("reading the catalog")
        made = _compared(database, prepare(database, pack))
    if output is not None:
        output.write_text(made.to_json(), encoding="utf-8")
    if as_sql and not settings.json:
        print_script(script(made).rstrip("\n"))
    else:
        text = [*lines(made, same=same), *gains_lines(made.compared), *made.said]
        if made.findings and not settings.json:
            text = [findings_text(made.findings), *text]
        print_result(settings, text, _data(made, same=same))
    if made.refusals:
        # The findings were the result: an error after it would make two results of one.
        progress(f"error: {stand_in_the_way(len(made.refusals))}: settle each of them, then plan again")
        return ExitCode.REFUSED
    return ExitCode.NO if exit_code and made.pending else ExitCode.DONE


@click.command("apply")
@common_options
@click.argument("plan_file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@_yes
@_verbose
@_allow_drop
@_wait
@click.pass_obj
def apply(
    settings: Settings, plan_file: Path | None, yes: bool, verbose: bool, allow_drop: bool, lock_timeout: timedelta
) -> None:
    """Carry out a plan: the one in PLAN_FILE, or the one made now from --pack. All of it in one transaction, or nothing."""
    with settings.open_database() as database:
        if plan_file is not None:
            made = read_plan(plan_file.read_text(encoding="utf-8", errors="replace"))
            _refuse_other_rules(made, settings.pack)
        else:
            pack = _pack(settings)
            progress("reading the catalog")
            prepared = prepare(database, pack)
            # Whoever is asked is told what the answer means to whom; a script has run plan before.
            made = prepared.plan if yes and not verbose else _compared(database, prepared)
        _carry_out(
            settings,
            database,
            made,
            "apply",
            yes=yes,
            verbose=verbose,
            allow_drop=allow_drop,
            lock_timeout=lock_timeout,
        )


@click.command("revert")
@common_options
@_prefix
@_yes
@_verbose
@_allow_drop
@_wait
@click.pass_obj
def revert(
    settings: Settings, prefix: str | None, yes: bool, verbose: bool, allow_drop: bool, lock_timeout: timedelta
) -> None:
    """Put policies, flags and grants back exactly as they were before the first apply."""
    with settings.open_database() as database:
        name, pack = _installed_prefix(settings, database, prefix)
        made = make_revert(*read_state(database, name), name, pack)
        _carry_out(
            settings,
            database,
            made,
            "revert",
            yes=yes,
            verbose=verbose,
            allow_drop=allow_drop,
            lock_timeout=lock_timeout,
        )


@click.command("off")
@common_options
@click.argument("table")
@_prefix
@_yes
@_verbose
@_wait
@click.pass_obj
def off(settings: Settings, table: str, prefix: str | None, yes: bool, verbose: bool, lock_timeout: timedelta) -> None:
    """The emergency exit: stop governing TABLE (schema.table, as in rule files) and its leaves, now.

    It needs no rule files. It is recorded, and the next apply governs the table again unless pack.yaml says `mode: off`.
    """
    with settings.open_database() as database:
        name, pack = _installed_prefix(settings, database, prefix)
        catalog, ledger = read_state(database, name)
        made = make_off(catalog, ledger, name, pack, _table(catalog, table))
        # Dropping is what was asked for by name: no second flag in an emergency.
        _carry_out(
            settings, database, made, "off", yes=yes, verbose=verbose, allow_drop=True, lock_timeout=lock_timeout
        )


@click.command("drift")
@common_options
@_prefix
@click.pass_obj
def drift(settings: Settings, prefix: str | None) -> int:
    """Compare what apply and install left with what is there. Exit code 1 where something differs."""
    with settings.open_database() as database:
        name, _ = _installed_prefix(settings, database, prefix)
        findings = find_drift(database, name)
    differences = [finding for finding in findings if finding.severity is not Severity.NOTE]
    text = [findings_text(findings)] if findings else []
    text.append(counted(len(differences), "difference") if differences else "no drift: everything is as apply left it")
    data = {"command": "drift", "prefix": name, "findings": [finding_data(finding) for finding in findings]}
    print_result(settings, text, data)
    return ExitCode.NO if differences else ExitCode.DONE


@click.command("render")
@common_options
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.pass_obj
def render(settings: Settings, folder: Path) -> None:
    """Write apply.sql and revert.sql into FOLDER: reviewable, and to be run with psql, Flyway and the like.

    revert.sql takes back what is applied now; after running apply.sql, render again for the way back from there.
    """
    pack = _pack(settings)
    with settings.open_database() as database:
        progress("reading the catalog")
        prepared = prepare(database, pack)
    made = prepared.plan
    back = make_revert(prepared.catalog, prepared.ledger, pack.settings.prefix, pack.name)
    refuse(made, allow_drop=True)
    folder.mkdir(parents=True, exist_ok=True)
    written = {"apply.sql": script(made), "revert.sql": script(back)}
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
    text = [f"{folder / name}: {summary(one)}" for name, one in (("apply.sql", made), ("revert.sql", back))]
    print_result(settings, text, {"command": "render", "files": [str(folder / name) for name in written]})


@click.command("backup-check")
@common_options
@_prefix
@click.option("--dump-dsn", default="", metavar="DSN", help="The connection dumps are made with; by default --dsn.")
@click.option(
    "--truth-dsn", metavar="DSN", help="A connection that sees every row; by default the lookup role is borrowed."
)
@click.option("--pg-dump", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The program to use.")
@click.pass_obj
def backup_check(
    settings: Settings, prefix: str | None, dump_dsn: str, truth_dsn: str | None, pg_dump: Path | None
) -> int:
    """Dump the governed tables as the backup does, count the rows, and compare with the truth. Exit code 1 where rows miss."""
    with settings.open_database() as database:
        name, _ = _installed_prefix(settings, database, prefix)
        truth = Database.open(truth_dsn) if truth_dsn is not None else None
        try:
            compared = check_backup(database, name, dump_dsn=dump_dsn or settings.dsn, pg_dump=pg_dump, truth=truth)
        finally:
            if truth is not None:
                truth.close()
    findings = [finding for one in compared if (finding := one.finding()) is not None]
    text = [
        f"{one.verdict.value:<10}  {one.table}  {one.dumped} of {'?' if one.rows is None else one.rows}"
        for one in compared
    ]
    if findings:
        text.append(findings_text(findings))
    whole = sum(one.verdict is Verdict.WHOLE for one in compared)
    text.append(
        f"{whole} of {counted(len(compared), 'table')}{'' if len(compared) == 1 else ' and leaves'}"
        f" {'is' if whole == 1 else 'are'} whole in a dump"
    )
    data = {
        "command": "backup-check",
        "tables": [
            {"table": str(one.table), "dumped": one.dumped, "rows": one.rows, "verdict": one.verdict.value}
            for one in compared
        ],
        "findings": [finding_data(finding) for finding in findings],
    }
    print_result(settings, text, data)
    return ExitCode.NO if findings else ExitCode.DONE


def _pack(settings: Settings) -> Pack:
    pack = settings.read_pack()
    if pack is None:
        raise UsageError("no pack was given", hint="Name the folder with the rule files: --pack DIR.")
    return pack


def _compared(database: Database, prepared: Prepared) -> Plan:
    """The plan, with who gains or loses rows by it. A plan that cannot be carried out gives and takes nothing."""
    if prepared.plan.refusals:
        return prepared.plan
    progress("comparing the rules")
    return compared_plan(database, prepared.plan, prepared.catalog, prepared.ledger)


def _refuse_other_rules(made: Plan, folder: Path | None) -> None:
    """Raise StalePlan where the rule files given beside a plan file are not those it was made from."""
    if folder is None:
        return
    for name, sha256 in made.rule_files:
        path = folder / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            raise StalePlan(f"{path} is not what the plan was made from", hint="Plan again.")


def _installed_prefix(settings: Settings, database: Database, prefix: str | None) -> tuple[str, str]:
    """The prefix to work on and the pack's name: as given, else the pack's, else what is installed.

    Rule files that cannot be read are no obstacle: the ledger says what was done.
    """
    pack: Pack | None = None
    try:
        pack = settings.read_pack()
    except RuleFileError as error:
        progress(f"the rule files cannot be read ({error.message}); going by the ledger")
    if prefix is not None:
        return prefix, pack.name if pack else ""
    if pack is not None:
        return pack.settings.prefix, pack.name
    return find_prefix(database), ""


def _table(catalog: Catalog, text: str) -> Name:
    """The table as rule files spell it; without a schema where only one has that name."""
    parts = _PARTS.findall(text)
    names = [part[1:-1].replace('""', '"') if part.startswith('"') else part for part in parts]
    if ".".join(parts) != text or len(names) not in {1, 2}:
        raise UsageError(
            f"{text} is no table name", hint="Write schema.table; parts with dots in them in double quotes."
        )
    found = [name for name in catalog.tables if [name.schema, name.name][-len(names) :] == names]
    if not found:
        close = nearest(text, [spell(name) for name in catalog.tables])
        raise UsageError(f"no table is called {text}", hint=f"Did you mean {close}?" if close else "")
    if len(found) > 1:
        raise UsageError(f"more than one table is called {text}", hint="Write it with its schema.")
    return found[0]


_PARTS = re.compile(r'"(?:[^"]|"")+"|[^".]+')


def _carry_out(
    settings: Settings,
    database: Database,
    made: Plan,
    command: str,
    *,
    yes: bool,
    verbose: bool,
    allow_drop: bool,
    lock_timeout: timedelta,
) -> None:
    """Show, ask, do, and say what was done."""
    if made.findings:
        progress(findings_text(made.findings))
    # Whoever decides now, or has to hear that it is refused, needs every line; a script's log is read when something went wrong.
    refused = made.refusals or (made.destructive and not allow_drop)
    for line in [*lines(made), *gains_lines(made.compared)] if verbose or refused or not yes else overview(made):
        progress(line)
    for sentence in made.said:
        progress(sentence)
    refuse(made, allow_drop=allow_drop)
    if made.pending:
        confirm(f"{command}: carry this plan out in {made.database}?", yes=yes)
    applied = apply_plan(database, made, allow_drop=allow_drop, patience=Patience(seconds=lock_timeout.total_seconds()))
    data = _applied_data(command, applied)
    print_result(
        settings,
        [_done(command, applied), *applied.notes],
        {**data, "findings": warn_of_missing(database, made.prefix)},
    )


def _done(command: str, applied: Applied) -> str:
    if not applied.run:
        return f"{command}: nothing to do"
    return (
        f"{command}: {applied.created} created, {applied.altered} altered, {applied.dropped} dropped, "
        f"{applied.same} the same; run {applied.run}, plan {applied.sha256}"
    )


def _applied_data(command: str, applied: Applied) -> dict[str, Any]:
    return {
        "command": command,
        "run": applied.run,
        "plan": applied.sha256,
        "created": applied.created,
        "altered": applied.altered,
        "dropped": applied.dropped,
        "same": applied.same,
        "said": list(applied.notes),
    }


def _data(made: Plan, *, same: bool) -> dict[str, Any]:
    return {
        "command": "plan",
        "plan": made.sha256,
        "pending": len(made.pending),
        "summary": summary(made),
        "locks": [str(table) for table in made.locked],
        "steps": [step_data(step) for step in made.steps if same or step.touches],
        "compared": [compared_data(one) for one in made.compared],
        "findings": [finding_data(finding) for finding in made.findings],
        "said": list(made.said),
    }
