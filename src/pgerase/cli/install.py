"""`pgerase install`, `upgrade` and `uninstall`: show the plan, ask, do it, say what was done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from pgerase.apply.ledger import find_prefix
from pgerase.cli.missing import warn_of_missing
from pgerase.cli.output import confirm, print_result, print_script, progress
from pgerase.cli.settings import DEFAULT_PREFIX, Settings, common_options
from pgerase.database import Database
from pgerase.errors import Refused
from pgerase.install import Mark, Names, Report, Step, plan_install, plan_uninstall, roles_sql
from pgerase.install import install as run_install
from pgerase.install import uninstall as run_uninstall
from pgerase.install.sources import DEFAULT_CLAIM
from pgerase.install.survey import installed_prefixes, said_installed, where_installed
from pgerase.rules.access import IdentityKind
from pgerase.rules.pack import Pack

_prefix = click.option("--prefix", metavar="NAME", help="Instead of the pack's prefix, or `pgerase` without a pack.")
_installed = click.option("--prefix", metavar="NAME", help="Instead of the pack's prefix, or the one installed here.")
_yes = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command("install")
@common_options
@_prefix
@_yes
@click.option("--roles-sql", "roles_only", is_flag=True, help="Print the role part as SQL for somebody who may run it.")
@click.pass_obj
def install(settings: Settings, prefix: str | None, yes: bool, roles_only: bool) -> None:
    """Make roles, schemas, ledger and functions in a database. A second time changes nothing.

    The connecting role owns the governed tables and needs CREATE on the database and CREATEROLE; without CREATEROLE, have
    somebody run what --roles-sql prints first.
    """
    pack = settings.read_pack()
    named = _named_prefix(prefix, pack)
    name = named or DEFAULT_PREFIX
    if roles_only:
        with settings.open_database() as database:
            script = roles_sql(database, name)
        if settings.json:
            print_result(settings, (), {"command": "install", "roles_sql": script})
        else:
            print_script(script.rstrip("\n"))
        return
    with settings.open_database() as database:
        steps = _plan(database, name, pack)
        if named is None:
            _tell_of_others(database, name)
        _bring_up(settings, database, "install", name, pack, steps, yes=yes)


@click.command("upgrade")
@common_options
@_installed
@_yes
@click.pass_obj
def upgrade(settings: Settings, prefix: str | None, yes: bool) -> None:
    """Bring what is installed to this version: pending migrations, changed or altered functions."""
    pack = settings.read_pack()
    named = _named_prefix(prefix, pack)
    with settings.open_database() as database:
        name = named or _installed_prefix(database)
        steps = _plan(database, name, pack, must_exist=True)
        _bring_up(settings, database, "upgrade", name, pack, steps, yes=yes, must_exist=True)


@click.command("uninstall")
@common_options
@_installed
@_yes
@click.option("--allow-drop", is_flag=True, help="Needed: the ledger goes, and with it what was recorded there.")
@click.option("--allow-held", is_flag=True, help="Drop the log even though legal holds last.")
@click.pass_obj
def uninstall(settings: Settings, prefix: str | None, yes: bool, allow_drop: bool, allow_held: bool) -> None:
    """Remove what install made: functions, ledger, schemas, roles. Tables stay exactly as they are.

    Refused while legal holds last, as the log goes with what they keep.
    """
    named = _named_prefix(prefix, settings.read_pack())
    with settings.open_database() as database:
        name = named or _installed_prefix(database)
        steps = plan_uninstall(database, name, allow_held=allow_held)
        if not steps and installed_prefixes(database):
            progress(f"{name} is not installed here; {where_installed(database)}")
        if steps and not allow_drop:
            _show_plan(steps)
            raise Refused(
                "uninstall drops the ledger and the audit log, and nothing was changed", hint="add --allow-drop"
            )
        _carry_out(
            settings, "uninstall", name, steps, lambda: run_uninstall(database, name, allow_held=allow_held), yes=yes
        )


def _plan(database: Database, prefix: str, pack: Pack | None, *, must_exist: bool = False) -> tuple[Step, ...]:
    identity, claim = _identity(pack)
    return plan_install(database, prefix, identity=identity, claim=claim, must_exist=must_exist)


def _bring_up(
    settings: Settings,
    database: Database,
    command: str,
    prefix: str,
    pack: Pack | None,
    steps: Sequence[Step],
    *,
    yes: bool,
    must_exist: bool = False,
) -> None:
    identity, claim = _identity(pack)

    def do() -> Report:
        return run_install(database, prefix, identity=identity, claim=claim, must_exist=must_exist)

    _carry_out(settings, command, prefix, steps, do, lambda: warn_of_missing(database, prefix), yes=yes)


def _identity(pack: Pack | None) -> tuple[IdentityKind | None, str]:
    return (pack.identity, pack.claim) if pack is not None else (None, DEFAULT_CLAIM)


def _tell_of_others(database: Database, prefix: str) -> None:
    """Nobody named the prefix: whoever has one here may have meant that."""
    others = installed_prefixes(database)
    if others and prefix not in others:
        progress(
            f"{said_installed(others)} already, and this makes a second installation, {prefix}; for the other one:"
            f" `pgerase upgrade --prefix {others[0]}`"
        )


def _carry_out(
    settings: Settings,
    command: str,
    prefix: str,
    steps: Sequence[Step],
    do: Callable[[], Report],
    look: Callable[[], Sequence[Mapping[str, Any]]] = tuple,
    *,
    yes: bool,
) -> None:
    """`look` says afterwards what else there is to know, as findings."""
    report = Report(())
    if steps:
        if not yes:
            _show_plan(steps)
        confirm(f"{command} {prefix}?", yes=yes)
        report = do()
    lines = [str(step) for step in report.steps]
    lines += report.left
    lines.append(_summary(command, prefix, report))
    print_result(settings, lines, {**_data(command, prefix, report), "findings": look()})


def _show_plan(steps: Sequence[Step]) -> None:
    for step in steps:
        progress(str(step))


def _summary(command: str, prefix: str, report: Report) -> str:
    if not report.steps:
        return f"{command} {prefix}: nothing to do"
    counts = {mark: sum(step.mark is mark for step in report.steps) for mark in Mark}
    return f"{command} {prefix}: {counts[Mark.CREATE]} made, {counts[Mark.ALTER]} renewed, {counts[Mark.DROP]} removed"


def _data(command: str, prefix: str, report: Report) -> dict[str, Any]:
    return {
        "command": command,
        "prefix": prefix,
        "changed": bool(report.steps),
        "steps": [{"mark": step.mark.value, "kind": step.kind, "name": step.name} for step in report.steps],
        "left": list(report.left),
    }


def _named_prefix(prefix: str | None, pack: Pack | None) -> str | None:
    """The prefix given, else the pack's, else none. Raises UsageError for one that cannot be, before anything is connected."""
    if prefix is None and pack is not None:
        prefix = pack.settings.prefix
    return None if prefix is None else Names(prefix).prefix


def _installed_prefix(database: Database) -> str:
    """The one that is installed; the default where nothing is, of which roles may be left. Raises Refused for several."""
    return find_prefix(database) if installed_prefixes(database) else DEFAULT_PREFIX
