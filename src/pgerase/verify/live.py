"""Looks at the live tables as the sampled viewers: what they read, what they may update, and leaves named directly.

FOR KEY SHARE returns the rows that a viewer may read and update, and fires nothing. Row locks of others would make it wait: they
are skipped, and such rows are counted as not looked at. Its own locks are given back at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pgerase.catalog.model import Catalog, Table
from pgerase.counts import counted
from pgerase.database import Database, identifier, with_parameters
from pgerase.errors import DatabaseFailed, Finding, Severity
from pgerase.rules.conditions import Action
from pgerase.verify.assume import Actor, Cast
from pgerase.verify.blind import ROW_ID
from pgerase.verify.collect import Collector
from pgerase.verify.identity import Identity
from pgerase.verify.model import unseen
from pgerase.verify.savepoint import taken_back
from pgerase.verify.statements import Statements
from pgerase.verify.subject import Expectations, Governed, example, session_as
from pgerase.verify.viewers import Viewer

_LOCKED = "55P03"
_CHANGED = "40001"


class Live:
    """The comparison on live data."""

    def __init__(
        self,
        database: Database,
        statements: Statements,
        catalog: Catalog,
        cast: Cast,
        identity: Identity,
        expectations: Expectations,
        collector: Collector,
    ) -> None:
        self._database = database
        self._statements = statements
        self._catalog = catalog
        self._cast = cast
        self._identity = identity
        self._expectations = expectations
        self._collector = collector
        self.passed_over: dict[str, set[str]] = defaultdict(set)
        """Rows of a table that could not be probed because somebody else had locked or changed them."""
        self.lockable: dict[str, set[str]] = defaultdict(set)
        """Rows of a table that somebody could lock, so that nobody else stood in the way."""

    def compare(self, tables: Sequence[Governed], viewers: Sequence[Viewer]) -> None:
        """Compare what viewers read and may update with what the rules mean, table by table."""
        people = [viewer for viewer in viewers if viewer.role is None]
        for governed in tables:
            actor = self._cast.actor_for(governed.table, update=True)
            if actor is None:
                reason = "no role that its policies bind may be assumed, or none may select and update it"
                hint = _HINT.format(roles=", ".join(self._cast.logins) or "the application's login")
                self._collector.unseen(unseen(str(governed.name), reason, hint), "read")
                continue
            self._as(actor, governed, people)
        self._role_sessions(tables, [viewer for viewer in viewers if viewer.role is not None])
        self._other_logins(tables, people)

    def _as(self, actor: Actor, governed: Governed, viewers: Sequence[Viewer]) -> None:
        """One table as one role, for all viewers."""
        leaves = [self._catalog.tables[leaf] for leaf in self._catalog.leaves(governed.name)]
        try:
            with self._database.transaction(), self._cast.acting(actor):
                for viewer in viewers:
                    self._identity.present(viewer)
                    self._reads(governed, viewer, actor.role)
                    self._rights(governed, viewer, actor.role)
                    # What the planner is told of a viewer decides nothing: the contrary of what `become` has told it, mostly.
                    self._identity.hint(viewer.stratum != "super admin")
                    self._reads(governed, viewer, actor.role)
                    for leaf in leaves:
                        if actor.stand_in or self._cast.has_rights(actor.role, leaf, update=False):
                            self._leaf(governed, leaf, viewer, actor.role)
        except DatabaseFailed as error:
            self._collector.unseen(unseen(str(governed.name), f"as {actor.role}: {error.message}"), "read")
            return
        who = f"{counted(len(viewers), 'viewer')} × {governed.extent}" + (
            f", as {actor.role}" if actor.stand_in else ""
        )
        self._collector.settle(str(governed.name), "read", who)
        self._collector.settle(str(governed.name), "update right", who)
        for leaf in leaves:
            self._collector.settle(str(leaf.name), "leaf", counted(len(viewers), "viewer"))

    # -- one look --------------------------------------------------------------------------------------------------------

    def _reads(self, governed: Governed, viewer: Viewer, role: str) -> None:
        found = self._ids(governed, self._select(governed.table))
        expected = self._expectations.allowed(session_as(viewer, role), governed, Action.READ)
        self._differ(governed, viewer, role, "read", Action.READ, expected, found)

    def _rights(self, governed: Governed, viewer: Viewer, role: str) -> None:
        expected = self._expectations.allowed(session_as(viewer, role), governed, Action.UPDATE)
        found = self._key_share(governed, expected)
        self._differ(governed, viewer, role, "update right", Action.UPDATE, expected, found)

    def _leaf(self, governed: Governed, leaf: Table, viewer: Viewer, role: str) -> None:
        """A leaf named directly shows no more than the table above it."""
        expected = self._expectations.allowed(session_as(viewer, role), governed, Action.READ)
        found = self._ids(governed, self._select(leaf))
        for row in governed.compared:
            if row.id in found - expected:
                shown = f"shown by {leaf.name}"
                one = example(governed, viewer, "read", governed.label(row.values), False, (), shown)
                self._collector.disagree("leaf", replace(one, object=str(leaf.name)))

    def _differ(
        self,
        governed: Governed,
        viewer: Viewer,
        role: str,
        what: str,
        action: Action,
        expected: frozenset[str],
        found: frozenset[str],
    ) -> None:
        wrong = (expected ^ found) - self.passed_over[str(governed.name)] if what != "read" else expected ^ found
        known = {row.id for row in governed.rows.rows}
        for row in governed.compared:
            if row.id not in wrong:
                continue
            if self._collector.is_full(str(governed.name), what):
                self._collector.one_more(str(governed.name), what)
                continue
            is_expected = row.id in expected
            because = self._expectations.because(session_as(viewer, role), governed, action, row.values)
            outcome = "denied" if is_expected else "allowed"
            label = governed.label(row.values)
            self._collector.disagree(what, example(governed, viewer, what, label, is_expected, because, outcome))
        for _ in found - known if governed.rows.whole else ():
            strange = "a row that nobody who sees all rows was shown"
            self._collector.disagree(what, example(governed, viewer, what, "(unknown)", False, (), strange))

    def _select(self, table: Table) -> str:
        return f"select {ROW_ID} as id from {identifier(table.name.schema, table.name.name)} as t"

    def _ids(self, governed: Governed, statement: str) -> frozenset[str]:
        """The rows a statement returns; those of the sample alone where that is all that was read."""
        found = frozenset(row["id"] for row in self._statements.rows(statement))
        if len(governed.compared) == governed.rows.total:
            return found
        return found & {row.id for row in governed.compared}

    # -- FOR KEY SHARE -------------------------------------------------------------------------------------------------

    def _key_share(self, governed: Governed, expected: frozenset[str]) -> frozenset[str]:
        """The rows that can be locked. What is expected and missing is asked for again: hidden, or merely locked by others?"""
        ids = [row.id for row in governed.compared]
        whole = len(ids) == governed.rows.total
        found = self._lock(governed, None if whole else ids, "skip locked")
        if found is None:
            found = self._one_by_one(governed, ids)
        missing = sorted(expected - found - self.passed_over[str(governed.name)])
        if missing:
            again = self._lock(governed, missing, "nowait")
            found |= self._one_by_one(governed, missing) if again is None else again
        self.lockable[str(governed.name)] |= found
        return found if whole else found & set(ids)

    def _lock(self, governed: Governed, ids: Sequence[str] | None, patience: str) -> frozenset[str] | None:
        """The rows locked, and given back; None where somebody else's lock or change is in the way."""
        select, lock = self._select(governed.table), f"for key share of t {patience}"
        try:
            if ids is None:
                found = taken_back(self._database, lambda: self._statements.rows(f"{select} {lock}"))
            else:
                some = f"{with_parameters(select)} where {ROW_ID} = any(%s) {lock}"
                found = taken_back(self._database, lambda: self._database.rows(some, [list(ids)]))
        except DatabaseFailed as error:
            if error.sqlstate in {_LOCKED, _CHANGED}:
                return None
            raise
        return frozenset(row["id"] for row in found)

    def _one_by_one(self, governed: Governed, ids: Iterable[str]) -> frozenset[str]:
        """Row by row; those in the way are passed over, for this viewer and all others."""
        found: set[str] = set()
        for one in ids:
            got = self._lock(governed, [one], "nowait")
            if got is None:
                self.passed_over[str(governed.name)].add(one)
            else:
                found |= got
        return frozenset(found)

    # -- other roles -----------------------------------------------------------------------------------------------------

    def _role_sessions(self, tables: Sequence[Governed], viewers: Sequence[Viewer]) -> None:
        """Sessions of the roles that rules name, without identity and with an invalid one."""
        for role in dict.fromkeys(viewer.role or "" for viewer in viewers):
            if not self._cast.may_assume(role):
                reason = f"the connecting role may not act as {role}, and rules are for that role"
                hint = f"grant {identifier(role)} to the connecting role with inherit false, set true"
                self._collector.unseen(unseen(f"role {role}", reason, hint), "role session")
                continue
            for viewer in viewers:
                if viewer.role == role:
                    what = "role session" if viewer.presented is None else "invalid identity"
                    self._session(Actor(role), viewer, tables, what)

    def _other_logins(self, tables: Sequence[Governed], people: Sequence[Viewer]) -> None:
        """Further logins of the application: each as nobody and as a few people, since a policy may be for one of them."""
        for login in self._cast.logins:
            if not self._cast.may_assume(login):
                message = f"{login} could not be acted as; others bound by the same policies were looked with instead"
                hint = f"grant {identifier(login)} to the connecting role with inherit false, set true"
                self._collector.findings.append(Finding("login-not-assumed", Severity.NOTE, login, message, hint))
                continue
            for viewer in [viewer for viewer in people if viewer.presented is None] + list(people[:2]):
                self._session(Actor(login), viewer, tables, "login")

    def _session(self, actor: Actor, viewer: Viewer, tables: Sequence[Governed], what: str) -> None:
        """One session of one role on every table it may select from."""
        subject = f"{'role' if viewer.role is not None else 'login'} {actor.role}"
        count = 0
        before = self._collector.disagreements
        try:
            with self._database.transaction(), self._cast.acting(actor):
                self._identity.present(viewer)
                for governed in tables:
                    if self._cast.has_rights(actor.role, governed.table, update=False):
                        count += 1
                        self._reads(governed, viewer, actor.role)
        except DatabaseFailed as error:
            self._collector.unseen(unseen(subject, error.message), what)
            return
        self._collector.settled(subject, what, counted(count, "table"), before)


_HINT = "Grant one of {roles} to the connecting role (with inherit false, set true), or run as the owner of the table."
