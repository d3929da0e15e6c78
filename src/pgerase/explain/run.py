"""explain: the rules' decision about one row with its reasons, beside what the database does, in one transaction that is rolled back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import cast

from pgerase.catalog.model import Name, Table, View
from pgerase.catalog.read import read_catalog
from pgerase.compile.bind_secured import KINDS
from pgerase.database import Database
from pgerase.errors import Finding, Refused, Severity, UsageError
from pgerase.explain.ask import Asking
from pgerase.explain.common import (
    as_read,
    check_asker,
    check_role,
    is_installed,
    looking,
    modes_of,
    named_table,
    nearest,
    resource_named,
    secured_view,
)
from pgerase.explain.load import Loaded, Loader
from pgerase.explain.model import Answer, Asked, Enforcement, EnforcingPolicy, Question
from pgerase.install.borrow import borrowed
from pgerase.install.names import Names
from pgerase.meaning import Grant, Meaning, Session
from pgerase.meaning.reasons import Reason
from pgerase.plan.foreign import roles_bound_as
from pgerase.rules.access import AccessRules, IdentityKind
from pgerase.rules.conditions import Action
from pgerase.rules.pack import Mode, Pack
from pgerase.verify.assume import Actor, Cast
from pgerase.verify.blind import Blind
from pgerase.verify.clones import Clone, Workshop
from pgerase.verify.identity import Identity, prepare_identity, roles_to_prepare
from pgerase.verify.model import Sample
from pgerase.verify.needs import find_needs
from pgerase.verify.support import people_of, read_grants, support_rules

_COMMANDS = {
    Action.READ: ("SELECT",),
    Action.INSERT: ("INSERT",),
    Action.UPDATE: ("UPDATE", "SELECT"),
    Action.DELETE: ("DELETE", "SELECT"),
}


def explain(database: Database, pack: Pack, question: Question, *, hold: int = Sample().hold) -> Answer:
    """Why a viewer may or may not do something to a row, and whether the database says the same.

    `hold`: the most rows of one table that are kept in memory. Raises UsageError for a question that cannot be asked (an unknown
    resource or column, a key that is none), Refused where the rows cannot be read, RuleFileError for rules that do not fit
    the database, DatabaseFailed.
    """
    if pack.access is None:
        raise Refused("the pack has no access rules: there is nothing to explain", hint="Add access.yaml to the pack.")
    check_asker(question)
    with looking(database):
        return _Explaining(database, pack, pack.access, question, hold).answer()


class _Explaining:
    """One question about one database."""

    def __init__(self, database: Database, pack: Pack, access: AccessRules, question: Question, hold: int) -> None:
        self._database = database
        self._pack = pack
        self._access = access
        self._question = question
        self._hold = hold
        self._names = Names(pack.settings.prefix)
        self._catalog = read_catalog(database)
        self._resource = resource_named(access, question.resource)
        check_role(self._catalog, question.role)
        self._table = named_table(self._catalog, self._resource.table)
        if not self._table.has_row_security and question.action is not Action.READ:
            message = f"{self._table.name} is {KINDS[self._table.kind]}: it is read through its secured view, and nobody writes it"
            raise UsageError(message, hint=f"Ask who may read {question.resource}.")
        self._key = _key(self._table, question)
        self._new = self._new_row()
        self._support = support_rules(pack)
        self._grants: tuple[Grant, ...] = ()
        if self._support is not None and is_installed(self._catalog, self._names):
            held = read_grants(database, pack.settings.prefix)
            self._grants = tuple(grant for grant in held if grant.holder == question.viewer)

    def answer(self) -> Answer:
        """The reasons, then what the database says."""
        mode = modes_of(self._pack, self._access, self._catalog)[self._resource.name]
        installed = is_installed(self._catalog, self._names)
        cast = Cast(
            self._database,
            self._catalog,
            self._names.viewer,
            self._pack.settings.app or (self._catalog.current_user,),
            installed=installed,
        )
        view = None if self._table.has_row_security else secured_view(self._pack, self._catalog, self._table)
        asking = Asking(self._database, self._catalog, cast, as_read(self._table, view))
        if installed and mode is Mode.ON and (view is not None or self._table.has_row_security):
            actor = asking.actor(self._question)
        else:
            actor = _why_not(mode, installed=installed)
        clone: Clone | None = None
        identity: Identity | None = None
        if not installed:
            loaded = self._load()
        else:
            kind = self._pack.identity or IdentityKind.SETTING
            with borrowed(self._database, *roles_to_prepare(self._names, kind)):
                loaded = self._load()
                if isinstance(actor, Actor):
                    clone = self._clone(asking, loaded)
                    identity = prepare_identity(self._database, self._names, kind, self._pack.claim)
        reason = self._reason(loaded, actor)
        if isinstance(actor, Actor) and identity is not None:
            asked = asking.ask(self._question, actor, identity, self._key, clone, missing=loaded.row is None)
        else:
            asked = Asked(None, "", actor if isinstance(actor, str) else "")
        role = actor.role if isinstance(actor, Actor) else self._names.viewer
        enforcement = self._enforcement(mode, role, view, installed=installed)
        answer = Answer(
            self._pack.name,
            self._catalog.database,
            self._question,
            str(self._table.name),
            reason,
            enforcement,
            asked,
            (),
        )
        return replace(answer, findings=tuple(_findings(answer)))

    # -- parts ---------------------------------------------------------------------------------------------------------

    def _new_row(self) -> str | None:
        """The values of the new row as a JSON object. Raises UsageError for a column that is none."""
        new = self._question.new
        if new is None:
            return None
        names = [column.name for column in self._table.columns]
        for name in new:
            column = self._table.column(name)
            if column is None:
                raise UsageError(f"{self._table.name} has no column {name}", hint=nearest(name, names))
            if column.generated:
                raise UsageError(f"{self._table.name}.{name} is generated: its value cannot be given")
        return json.dumps(dict(new))

    def _load(self) -> Loaded:
        blind = Blind(self._database, self._catalog, self._names.lookup)
        needs = find_needs(self._access, self._catalog, {self._table.name}, support=self._support)
        loader = Loader(self._database, self._catalog, blind, needs, hold=self._hold)
        viewer: tuple[Name, str, str] | None = None
        if self._access.viewers is not None and self._question.viewer is not None:
            people = named_table(self._catalog, self._access.viewers.table)
            viewer = (people.name, self._access.viewers.key, self._question.viewer)
        people = () if self._support is None else people_of(self._support, self._grants, self._catalog)
        return loader.load(self._table, self._key, self._new, viewer, people)

    def _clone(self, asking: Asking, loaded: Loaded) -> Clone | None:
        blind = Blind(self._database, self._catalog, self._names.lookup)
        workshop = Workshop(self._database, self._catalog, self._names.prefix, self._names.lookup)
        return asking.clone(workshop, blind.reader_of(self._table.name) or "", self._question, loaded.id, self._new)

    def _reason(self, loaded: Loaded, actor: Actor | str) -> Reason:
        now: datetime = self._database.value("select pg_catalog.statement_timestamp()")
        role = self._question.role or (actor.role if isinstance(actor, Actor) else self._catalog.current_user)
        return Meaning(
            self._access, self._catalog, loaded.data, now, support=self._support, grants=self._grants
        ).explain(
            Session(self._question.viewer, role),
            self._resource.name,
            self._question.action,
            row=loaded.row,
            new=loaded.new,
            values=self._question.values,
        )

    def _enforcement(self, mode: Mode, role: str, view: View | None, *, installed: bool) -> Enforcement:
        if not self._table.has_row_security:
            secure = view is not None and view.security_barrier and view.owner == self._names.masker
            name = "" if view is None else str(view.name)
            return Enforcement(str(self._table.name), mode, installed, secure, (), secured_view=name)
        bound = roles_bound_as(self._catalog, role, self._names.viewer)
        commands = _COMMANDS[self._question.action]
        policies = tuple(
            EnforcingPolicy(
                policy.name, policy.command.lower(), policy.permissive, policy.name.startswith(f"{self._names.prefix}_")
            )
            for policy in sorted(self._table.policies, key=lambda one: (not one.permissive, one.name))
            if policy.command in {*commands, "ALL"} and bound & set(policy.roles)
        )
        active = self._table.rls_enabled and self._table.rls_forced
        return Enforcement(str(self._table.name), mode, installed, active, policies)


def _key(table: Table, question: Question) -> Mapping[str, str] | None:
    """The row's key by column. Raises UsageError where it is missing, one too many, or not of as many columns."""
    if question.action is Action.INSERT:
        if question.key is not None:
            raise UsageError("an insert has no row yet, and so no key", hint="Give its values: --set COLUMN=VALUE.")
        if question.new is None:
            raise UsageError("an insert needs the new row", hint="Give its values: --set COLUMN=VALUE, or --new FILE.")
        return None
    if question.new is not None and question.action is not Action.UPDATE:
        raise UsageError(f"a {question.action} leaves no new row", hint="Leave --set and --new out.")
    columns = table.key
    if question.key is None:
        hint = f"Give its {', '.join(columns) or 'key'} after {question.resource}."
        raise UsageError(f"which row? {question.action} needs its key", hint=hint)
    if not columns:
        key = "primary key" if table.has_row_security else "unique index"
        raise UsageError(f"{table.name} has no {key}, so that no row of it can be named")
    if len(columns) == 1:
        return {columns[0]: question.key}
    parts = _parts(question.key)
    if len(parts) != len(columns):
        hint = f"Write it as '[\"…\", …]', the values of {', '.join(columns)}."
        raise UsageError(f"a key of {table.name} is a JSON array of {len(columns)} texts", hint=hint)
    return dict(zip(columns, parts, strict=True))


def _parts(key: str) -> list[str]:
    """The texts of a composite key; empty where it is none."""
    try:
        found = json.loads(key)
    except ValueError:
        return []
    texts = cast("list[object]", found) if isinstance(found, list) else []
    return [str(text) for text in texts if isinstance(text, str | int)]


def _why_not(mode: Mode, *, installed: bool) -> str:
    if mode is Mode.ON:
        if installed:
            return "its secured view is not there: run `pgerase plan` and `pgerase apply`"
        return "pgerase is not installed in this database"
    return f"the table is in mode {mode}: the rules are not in force there"


def _findings(answer: Answer) -> Iterator[Finding]:
    name = answer.table
    if answer.agrees is False:
        says, does = ("allow", "refuses") if answer.allowed else ("deny", "allows")
        yield Finding(
            "explain-disagrees",
            Severity.ERROR,
            name,
            f"the rules {says} it, and the database {does} it ({answer.asked.how}, as {answer.asked.role})",
            "Run `pgerase drift` and `pgerase plan`; if they find nothing, the generated SQL is wrong: please report it.",
        )
    elif answer.agrees is None and answer.enforcement.mode is Mode.ON:
        yield Finding("could-not-ask", Severity.WARNING, name, f"the database was not asked: {answer.asked.how}")
    if answer.enforcement.mode is Mode.ON and answer.enforcement.installed and not answer.enforcement.row_security:
        hint = "Run `pgerase plan` and `pgerase apply`."
        message = "row security is not enabled and forced on it"
        if answer.enforcement.secured_view is not None:
            message = "its secured view is missing, no security barrier, or somebody else's"
        yield Finding("not-enforced", Severity.ERROR, name, message, hint)
