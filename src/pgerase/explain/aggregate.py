"""explain of an aggregate: for whom it is and what of its groups is shown, beside how many groups the database shows."""

from __future__ import annotations

from datetime import datetime

from pgerase.catalog.model import Catalog, Name
from pgerase.catalog.read import read_catalog
from pgerase.database import Database, identifier
from pgerase.errors import Finding, Severity, UsageError
from pgerase.explain.common import check_asker, check_role, is_installed, looking, modes_of, named_table
from pgerase.explain.load import Loader
from pgerase.explain.model import AggregateAnswer, Question
from pgerase.install.borrow import borrowed
from pgerase.install.names import Names
from pgerase.meaning import Meaning, Session
from pgerase.rules.access import AccessRules, Aggregate, IdentityKind
from pgerase.rules.conditions import Action
from pgerase.rules.pack import Mode, Pack
from pgerase.verify.assume import Actor, Cast
from pgerase.verify.blind import Blind
from pgerase.verify.identity import prepare_identity, roles_to_prepare
from pgerase.verify.model import Sample
from pgerase.verify.needs import find_needs
from pgerase.verify.viewers import Viewer


def aggregate_named(pack: Pack, name: str) -> Aggregate | None:
    """The aggregate of that name; None where there is none, or a resource has it."""
    if pack.access is None or any(one.name == name for one in pack.access.resources):
        return None
    return next((one for one in pack.access.aggregates if one.name == name), None)


def explain_aggregate(
    database: Database, pack: Pack, question: Question, *, hold: int = Sample().hold
) -> AggregateAnswer:
    """Why an aggregate shows groups to a viewer or is empty, and how many the database shows.

    Raises UsageError for a question that cannot be asked, Refused where people cannot be read, RuleFileError for rules that
    do not fit the database, DatabaseFailed.
    """
    wanted = aggregate_named(pack, question.resource)
    if wanted is None or pack.access is None:
        raise UsageError(f"there is no aggregate {question.resource}")
    if question.action is not Action.READ or question.new is not None:
        raise UsageError(f"{wanted.name} is an aggregate, and for reading only", hint="Ask who may read it.")
    if question.key is not None:
        message = f"{wanted.name} is an aggregate: it shows groups, and has no row to name"
        raise UsageError(message, hint=f"Leave the key out: explain read {wanted.name} --viewer KEY.")
    check_asker(question)
    with looking(database):
        return _Explaining(database, pack, pack.access, wanted, question, hold).answer()


class _Explaining:
    """One question about one aggregate of one database."""

    def __init__(
        self, database: Database, pack: Pack, access: AccessRules, wanted: Aggregate, question: Question, hold: int
    ) -> None:
        self._database = database
        self._pack = pack
        self._access = access
        self._wanted = wanted
        self._question = question
        self._hold = hold
        self._names = Names(pack.settings.prefix)
        self._catalog: Catalog = read_catalog(database)
        self._view = Name(self._names.api, wanted.name)
        check_role(self._catalog, question.role)

    def answer(self) -> AggregateAnswer:
        """The reasons, then how many groups there are as the viewer."""
        installed = is_installed(self._catalog, self._names)
        resource = self._access.resource(self._wanted.resource)
        table = named_table(self._catalog, resource.table).name
        mode = modes_of(self._pack, self._access, self._catalog)[resource.name]
        kind = self._pack.identity or IdentityKind.SETTING
        actor = self._actor(mode, installed=installed)
        groups: int | None = None
        with borrowed(self._database, *(roles_to_prepare(self._names, kind) if installed else ())):
            meaning = self._meaning(table)
            if isinstance(actor, Actor):
                identity = prepare_identity(self._database, self._names, kind, self._pack.claim)
                with self._database.transaction(), self._cast().acting(actor):
                    identity.present(Viewer("given", "", self._question.viewer, None, role=self._question.role))
                    view = identifier(self._view.schema, self._view.name)
                    groups = int(self._database.value(f"select pg_catalog.count(*) from {view}"))
        role = self._question.role or (actor.role if isinstance(actor, Actor) else self._catalog.current_user)
        session = Session(self._question.viewer, role)
        reason = meaning.explain_aggregate(session, self._wanted.name, values=self._question.values)
        findings: tuple[Finding, ...] = ()
        if groups and reason.truth is not True:
            message = f"the rules show nothing of it to this viewer, and the database does ({role})"
            hint = "Run `pgerase drift`, `pgerase plan` and `pgerase verify`."
            findings = (Finding("explain-disagrees", Severity.ERROR, str(self._view), message, hint),)
        return AggregateAnswer(
            pack=self._pack.name,
            database=self._catalog.database,
            question=self._question,
            aggregate=self._wanted,
            requirements=tuple(one.name for one in resource.require if Action.READ in one.can),
            table=str(table),
            view=str(self._view),
            reason=reason,
            groups=groups,
            asked_as=actor.role if isinstance(actor, Actor) else "",
            not_asked="" if isinstance(actor, Actor) else actor,
            findings=findings,
        )

    def _cast(self) -> Cast:
        return Cast(self._database, self._catalog, self._names.viewer, self._pack.settings.app)

    def _actor(self, mode: Mode, *, installed: bool) -> Actor | str:
        """Whom to ask as; else, in words, why nobody can."""
        if not installed:
            return "pgerase is not installed in this database"
        if mode is not Mode.ON:
            return f"{self._wanted.resource} is in mode {mode}, so that the aggregate is not made"
        if self._view not in self._catalog.views:
            return "it is not there yet: run `pgerase plan` and `pgerase apply`"
        cast = self._cast()
        logins = cast.logins if self._question.role is None else (self._question.role,)
        login = next((one for one in logins if cast.may_read(one, self._view)), None)
        return "no login that may read it may be assumed" if login is None else Actor(login)

    def _meaning(self, table: Name) -> Meaning:
        """The rules over the people; nothing is read of the rows that are counted."""
        blind = Blind(self._database, self._catalog, self._names.lookup)
        needs = find_needs(self._access, self._catalog, {table})
        viewer: tuple[Name, str, str] | None = None
        if self._access.viewers is not None and self._question.viewer is not None:
            people = named_table(self._catalog, self._access.viewers.table)
            viewer = (people.name, self._access.viewers.key, self._question.viewer)
        loader = Loader(self._database, self._catalog, blind, needs, hold=self._hold)
        loaded = loader.load(self._catalog.tables[table], None, None, viewer)
        now: datetime = self._database.value("select pg_catalog.statement_timestamp()")
        return Meaning(self._access, self._catalog, loaded.data, now)
