"""`check`: are the rule files sound, alone or on a database."""

from __future__ import annotations

import click

from pgerase.catalog.read import read_catalog
from pgerase.check.coverage import unmatched
from pgerase.check.muted import judge_muted
from pgerase.check.server_version import judge_server
from pgerase.cli.output import finding_data, findings_text, print_result
from pgerase.cli.settings import Settings, common_options
from pgerase.compile import compile_pack
from pgerase.compile.indexes import missing_indexes
from pgerase.errors import ExitCode, Finding, Severity, UsageError
from pgerase.rules import check_audit


@click.command("check")
@common_options
@click.option("--bound", is_flag=True, help="Bind the rules to the database as well: tables, columns, types, roles.")
@click.pass_obj
def check(settings: Settings, bound: bool) -> int:
    """Check the rule files of --pack, alone or with --bound on the database of --dsn.

    With --bound it also notes which indexes policies would use and do not find, each with its CREATE INDEX, and tells of settings that
    keep triggers from firing. Answers 1 where a finding is an error or a warning; notes inform. Files that cannot be read end with exit code 2.
    """
    pack = settings.read_pack()
    if pack is None:
        raise UsageError("check needs a pack", hint="Name its folder with --pack DIR.")
    findings: tuple[Finding, ...] = () if pack.audit is None else check_audit.advice(pack.audit)
    where = ", files alone"
    if bound:
        with settings.open_database() as database:
            catalog = read_catalog(database)
        findings = (
            *findings,
            *compile_pack(pack, catalog).findings,
            *judge_server(catalog.server_version, pack.settings.accepted),
            *judge_muted(catalog, pack.settings.prefix, pack.settings.app, pack.settings.accepted),
            *missing_indexes(pack, catalog),
            *(() if pack.audit is None else unmatched(catalog, pack.audit.uncaptured)),
        )
        where = f" on {catalog.database}"
    wrong = [finding for finding in findings if finding.severity is not Severity.NOTE]
    summary = f"{pack.name}{where}: {len(wrong)} to settle, {len(findings) - len(wrong)} to know"
    text = [findings_text(findings), summary] if findings else [summary]
    print_result(settings, text, {"pack": pack.name, "findings": [finding_data(finding) for finding in findings]})
    return ExitCode.NO if wrong else ExitCode.DONE
