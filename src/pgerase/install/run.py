"""Carries out install, upgrade and uninstall: one transaction each, alone in its database by an advisory lock.

What is to be done is decided in `steps`; here it is done, and checked afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from pgerase.database import Database, identifier
from pgerase.errors import DatabaseFailed, Refused
from pgerase.install.borrow import NOT_ALLOWED, acting_as, borrowed
from pgerase.install.names import Names
from pgerase.install.sources import DEFAULT_CLAIM, read_sources
from pgerase.install.steps import (
    ROLE,
    ROUTINE,
    Mark,
    Step,
    install_steps,
    refuse_members,
    refuse_others,
    uninstall_steps,
)
from pgerase.install.survey import Survey, read_holds, read_routines, survey, where_installed
from pgerase.rules.access import IdentityKind

OLDEST_SERVER = 150000
_ALREADY_THERE = frozenset({"42710", "23505"})
"""duplicate_object, and unique_violation where another database's installer was faster: roles are cluster-wide."""
_STILL_NEEDED = "2BP01"
"""dependent_objects_still_exist."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was done; empty `steps` where nothing was to do. `left` says in sentences what stayed, and why."""

    steps: tuple[Step, ...]
    left: tuple[str, ...] = ()


def plan_install(
    database: Database,
    prefix: str,
    *,
    identity: IdentityKind | None = None,
    claim: str = DEFAULT_CLAIM,
    must_exist: bool = False,
) -> tuple[Step, ...]:
    """What `install` would do now. Changes nothing. Raises what `install` raises before it changes anything."""
    names = Names(prefix)
    with database.transaction(isolation="repeatable read", read_only=True):
        return _decide(database, survey(database, names), names, identity, claim, must_exist=must_exist)


def install(
    database: Database,
    prefix: str,
    *,
    identity: IdentityKind | None = None,
    claim: str = DEFAULT_CLAIM,
    must_exist: bool = False,
) -> Report:
    """Bring the runtime of a prefix to this version: roles, schemas, ledger, functions. A second time does nothing.

    `identity` None keeps what is installed, `setting` where nothing is; `claim` is the one that names the viewer, where it is
    claims. `must_exist` makes it an upgrade. Any number may run at once, in one database or in several of a cluster.

    Raises UsageError for an impossible prefix or identity; Refused where names are taken, the connecting role may not
    administer the roles, migrations were tampered with, or a private role has members; DatabaseFailed for anything else.
    """
    names = Names(prefix)
    with database.transaction(isolation="read committed"):
        _lock(database, names)
        steps = _decide(database, survey(database, names), names, identity, claim, must_exist=must_exist)
        if steps:
            _carry_out(database, names, steps)
            refuse_members(survey(database, names), names)
    return Report(steps)


def plan_uninstall(database: Database, prefix: str, *, allow_held: bool = False) -> tuple[Step, ...]:
    """What `uninstall` would do now. Changes nothing. Raises what `uninstall` raises before it changes anything."""
    names = Names(prefix)
    with database.transaction(isolation="repeatable read", read_only=True):
        return _decide_removal(database, names, allow_held=allow_held)


def uninstall(database: Database, prefix: str, *, allow_held: bool = False) -> Report:
    """Remove what `install` made, and nothing else; application tables are not touched.

    Roles that something still depends on, in this or another database, or that the current role may not drop, stay
    and are named in the report. Raises Refused while tables are governed, where others put objects into our schemas,
    where their objects depend on ours, and, without `allow_held`, while legal holds last.
    """
    names = Names(prefix)
    with database.transaction(isolation="read committed"):
        _lock(database, names)
        steps = _decide_removal(database, names, allow_held=allow_held)
        inside = [step for step in steps if step.kind != ROLE]
        try:
            _carry_out(database, names, inside)
        except DatabaseFailed as error:
            if error.sqlstate != _STILL_NEEDED:
                raise
            raise Refused(
                f"something of the application depends on pgerase: {error.message}",
                hint="drop or change it; uninstall does not take others' objects along",
            ) from error
        done, left = _drop_roles(database, [step for step in steps if step.kind == ROLE])
    return Report((*inside, *done), left)


def _decide_removal(database: Database, names: Names, *, allow_held: bool) -> tuple[Step, ...]:
    steps = uninstall_steps(survey(database, names), names)
    holds = 0 if allow_held else read_holds(database, names)
    if holds:
        raise Refused(
            f"{holds} legal hold{'s last' if holds > 1 else ' lasts'}, and uninstalling drops the log with what they keep",
            hint="release them (`pgerase subject release`); or export the log first, and say --allow-held",
        )
    return steps


def _decide(
    database: Database, found: Survey, names: Names, identity: IdentityKind | None, claim: str, *, must_exist: bool
) -> tuple[Step, ...]:
    if found.server_version < OLDEST_SERVER:
        raise Refused(f"PostgreSQL {found.server_version // 10000} is too old", hint="pgerase needs 15 or later")
    installed = found.ledger.installation
    if must_exist and installed is None:
        raise Refused(f"nothing is installed for the prefix {names.prefix}", hint=where_installed(database))
    if identity is None:
        identity = IdentityKind(installed.identity) if installed else IdentityKind.SETTING
        claim = (installed.claim if installed else None) or DEFAULT_CLAIM
    steps = install_steps(found, names, read_sources(identity, claim), identity, claim)
    missing = [step.name for step in steps if step.kind == ROLE]
    if missing and not (found.superuser or found.createrole):
        raise Refused(
            f"the role {found.installer} may not create the roles {', '.join(missing)}",
            hint="somebody who may runs what `pgerase install --roles-sql` prints; then try again",
        )
    if any(step.kind == "schema" for step in steps) and not found.can_create:
        raise Refused(
            f"the role {found.installer} may not create schemas in {found.database}",
            hint=f"grant create on database {identifier(found.database)} to {identifier(found.installer)}",
        )
    return steps


def _lock(database: Database, names: Names) -> None:
    """Be the only installer of this prefix in this database until the transaction ends."""
    lock = "select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(%s, 0))"
    database.rows(lock, [names.lock_key])
    if database.server_version >= 160000:
        # Roles made here must not make their maker a member that inherits or sets.
        database.rows("select pg_catalog.set_config('createrole_self_grant', '', true)")


def _carry_out(database: Database, names: Names, steps: Sequence[Step]) -> None:
    roles = [step for step in steps if step.kind == ROLE]
    for step in roles:
        _create_role(database, step)
    if roles:
        # Somebody in another database may have been faster. Before membership is borrowed, not after: it must be ours.
        refuse_others(survey(database, names), names)
    rest = [step for step in steps if step.kind != ROLE]
    # Schemas are given to roles, and everything in them is made by these: both need membership.
    needed = {part.actor for step in rest for part in step.parts if part.actor is not None}
    needed.update(role for step in rest for role in step.needs)
    with ExitStack() as stack:
        if needed:
            stack.enter_context(borrowed(database, *sorted(needed)))
        _run(database, rest)
        remade = {step.name for step in rest if step.kind == ROUTINE and step.mark != Mark.DROP}
        if remade:
            _record_routines(database, names, remade)


def _run(database: Database, steps: Sequence[Step]) -> None:
    """Run each part as its role, which is changed only where the next one has another; a failure takes that back as well."""
    own = acting = database.value("select pg_catalog.current_setting('role')")
    for step in steps:
        for part in step.parts:
            wanted = own if part.actor is None else part.actor
            if wanted != acting:
                _become(database, wanted)
                acting = wanted
            database.run(part.script, what=f"{step.kind} {step.name}")
    if acting != own:
        _become(database, own)


def _become(database: Database, role: str) -> None:
    database.rows("select pg_catalog.set_config('role', %s, true)", [role])


def _create_role(database: Database, step: Step) -> None:
    """Create a role, or find that somebody was faster: whether it is ours then is checked when all are made."""
    try:
        with database.transaction():
            _run(database, [step])
    except DatabaseFailed as error:
        if error.sqlstate not in _ALREADY_THERE:
            raise


def _record_routines(database: Database, names: Names, qualified: Iterable[str]) -> None:
    """Note what the server says the routines are, now that they are made: what differs from it later is drift."""
    wanted = set(qualified)
    statement = (
        f"update {identifier(names.internal, 'routine')} as routine set deparsed = made.deparsed"
        " from unnest(%s::text[], %s::text[], %s::text[]) as made (home, name, deparsed)"
        " where routine.home = made.home and routine.name = made.name"
    )
    with acting_as(database, names.secret):
        made = [
            routine
            for routine in read_routines(database, names)
            if f"{names.home(routine.home)}.{routine.name}" in wanted
        ]
        columns = [[one.home.value for one in made], [one.name for one in made], [one.deparsed for one in made]]
        database.rows(statement, columns)


def _drop_roles(database: Database, steps: Sequence[Step]) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    done: list[Step] = []
    left: list[str] = []
    for step in steps:
        try:
            with database.transaction():
                _run(database, [step])
            done.append(step)
        except DatabaseFailed as error:
            if error.sqlstate not in {_STILL_NEEDED, NOT_ALLOWED}:
                raise
            left.append(f"The role {step.name} stays: {error.message}. Later: {step.parts[0].script.strip()}")
    return tuple(done), tuple(left)


__all__ = ["Report", "install", "plan_install", "plan_uninstall", "uninstall"]
