"""`pgerase audit coverage`: what of the governed tables nobody writes down."""

from __future__ import annotations

from collections.abc import Mapping

import click

from pgerase.apply.ledger import missing_from_log
from pgerase.catalog.model import Catalog, Name
from pgerase.catalog.read import read_catalog
from pgerase.check.coverage import Why, captured_tables, left_out, unmatched
from pgerase.check.coverage import coverage as find_gaps
from pgerase.cli.output import finding_data, findings_text, print_result
from pgerase.cli.settings import Settings, common_options
from pgerase.compile import compile_pack
from pgerase.compile.surroundings import matches
from pgerase.counts import counted
from pgerase.errors import ExitCode, UsageError
from pgerase.report import printable
from pgerase.rules.pack import Pack


@click.command("coverage")
@common_options
@click.pass_obj
def coverage(settings: Settings) -> int:
    """Find tables of --pack that nobody audits, partitions without triggers, and columns that came later.

    Partitions that the log lacks are found, too: writes fail for want of them. Governed tables and those of the data map are to be audited, but for those that audit.yaml leaves out on purpose (uncaptured:).
    Exit code 1 where something is not, or where audit.yaml leaves out what is not there.
    """
    pack = settings.read_pack()
    if pack is None:
        raise UsageError("audit coverage needs a pack", hint="Name its folder with --pack DIR.")
    prefix = pack.settings.prefix
    with settings.open_database() as database:
        catalog = read_catalog(database)
        missing = missing_from_log(database, prefix)
    wanted = _wanted(pack, catalog)
    uncaptured = pack.audit.uncaptured if pack.audit is not None else ()
    # A table whose writes fail is not written down either.
    gaps = (*find_gaps(catalog, prefix, wanted, uncaptured), *missing)
    slips = unmatched(catalog, uncaptured)
    findings = (*gaps, *slips)
    captured = captured_tables(catalog, prefix)
    covered = {name for top in captured for name in (top, *catalog.leaves(top))}
    on_purpose = left_out(wanted, covered, uncaptured)
    lines = [findings_text(findings)] if findings else []
    lines += [f"{printable(str(name))}: left out on purpose: {printable(why)}" for name, why in on_purpose.items()]
    summary = f"{counted(len(captured), 'table')} captured, {len(on_purpose)} left out on purpose, {counted(len(gaps), 'gap')}"
    summary += f", {len(slips)} left out that {'is' if len(slips) == 1 else 'are'} not there" if slips else ""
    data = {
        "command": "audit coverage",
        "prefix": prefix,
        "captured": [{"table": str(name), "columns": dict(one.columns)} for name, one in captured.items()],
        "left_out": [{"table": str(name), "reason": why} for name, why in on_purpose.items()],
        "findings": [finding_data(finding) for finding in findings],
    }
    print_result(settings, [*lines, summary], data)
    return ExitCode.NO if findings else ExitCode.DONE


def _wanted(pack: Pack, catalog: Catalog) -> Mapping[Name, Why]:
    """The tables that somebody should write down: those that are governed, hold people's data, or are named in audit.yaml."""
    people = [table.table for table in pack.data_map.tables] if pack.data_map is not None else []
    captures = [capture.table for capture in pack.audit.captures] if pack.audit is not None else []
    # What says most stands last.
    return {
        **{name: Why.PEOPLE for name in catalog.tables if any(matches(table, name) for table in people)},
        **dict.fromkeys(compile_pack(pack, catalog).governed, Why.RESOURCE),
        **{name: Why.CAPTURE for name in catalog.tables if any(matches(table, name) for table in captures)},
    }
