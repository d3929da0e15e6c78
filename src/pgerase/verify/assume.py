"""Becomes the people and roles that policies bind, inside the open transaction, without being a superuser.

A login of the application is assumed where the connecting role may; before PostgreSQL 16 CREATEROLE is enough. Where none may be,
the connecting role stands in for them: as a member of the viewer role, for the time of the transaction, it is bound by the
same policies, since they are forced on owners. Nothing it grants itself outlives the transaction.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Name, Table
from pgerase.catalog.roles import RoleGraph
from pgerase.database import Database, identifier
from pgerase.errors import DatabaseFailed
from pgerase.install.borrow import acting_as
from pgerase.plan.foreign import roles_bound_as


@dataclass(frozen=True, slots=True)
class Actor:
    """A role to act as. `stand_in`: the connecting role, made a member of the viewer role."""

    role: str
    stand_in: bool = False


class Cast:
    """Who can be acted as."""

    def __init__(
        self, database: Database, catalog: Catalog, viewer: str, app: Iterable[str], *, installed: bool = True
    ) -> None:
        """`app` come first; where pgerase is not `installed`, they are all there are."""
        self._database = database
        self._catalog = catalog
        self._viewer = viewer
        self._me = catalog.current_user
        graph = RoleGraph(catalog)
        members = sorted(role for role in catalog.roles if role != viewer and viewer in graph.inherited(role))
        first = [role for role in app if role in (members if installed else catalog.roles)]
        self.logins = tuple(dict.fromkeys([*first, *(role for role in members if catalog.roles[role].login)]))
        self._assumable: dict[str, bool] = {}

    def may_assume(self, role: str) -> bool:
        """Whether the connecting role can act as another one, having granted it to itself where it had to."""
        if role not in self._assumable:
            self._assumable[role] = role in self._catalog.roles and self._try(role)
        return self._assumable[role]

    def actor_for(self, table: Table, *, update: bool) -> Actor | None:
        """Somebody bound by the table's policies who may select from it, and update it where asked; None where nobody is."""
        for login in self.logins:
            known = self._catalog.roles[login]
            unbound = known.superuser or known.bypassrls
            if not unbound and self.has_rights(login, table, update=update) and self.may_assume(login):
                return Actor(login)
        return self._stand_in(table)

    def actor_for_clone(self, table: Table) -> Actor | None:
        """Somebody bound by the table's policies; the clone itself is anybody's to write."""
        for login in self.logins:
            known = self._catalog.roles[login]
            if not known.superuser and not known.bypassrls and self.may_assume(login):
                return Actor(login)
        return self._stand_in(table)

    def has_rights(self, role: str, table: Table, *, update: bool) -> bool:
        """Whether a role may select whole rows of the table, and lock them where `update`."""
        statement = (
            "select pg_catalog.has_schema_privilege(%(role)s, %(schema)s, 'USAGE')"
            " and pg_catalog.has_table_privilege(%(role)s, %(table)s::pg_catalog.oid, 'SELECT')"
            " and (not %(update)s or pg_catalog.has_any_column_privilege(%(role)s, %(table)s::pg_catalog.oid, 'UPDATE'))"
        )
        parameters = {"role": role, "schema": table.name.schema, "table": table.oid, "update": update}
        return bool(self._database.value(statement, parameters))

    def may_read(self, login: str, view: Name) -> bool:
        """Whether a login may read a view, and the connecting role can act as it."""
        statement = (
            "select pg_catalog.has_schema_privilege(%s, %s, 'USAGE') and pg_catalog.has_table_privilege(%s, c.oid, 'SELECT')"
            " from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace"
            " where n.nspname = %s and c.relname = %s"
        )
        allowed = self._database.rows(statement, [login, view.schema, login, view.schema, view.name])
        return bool(allowed) and all(all(row.values()) for row in allowed) and self.may_assume(login)

    @contextmanager
    def acting(self, actor: Actor) -> Generator[None]:
        """Act as somebody until the block ends; what the stand-in is granted goes with the block."""
        if not actor.stand_in:
            with acting_as(self._database, actor.role):
                yield
            return
        with acting_as(self._database, actor.role):
            if actor.role == self._me:
                self._database.run(f"grant {identifier(self._viewer)} to current_user")
            yield
            if actor.role == self._me:
                self._database.run(f"revoke {identifier(self._viewer)} from current_user")

    def _stand_in(self, table: Table) -> Actor | None:
        """The connecting role, unless something but the viewers' policies would count for it."""
        known = self._catalog.roles[self._me]
        if known.superuser or known.bypassrls or not self.has_rights(self._me, table, update=True):
            return None
        extra = roles_bound_as(self._catalog, self._me) - roles_bound_as(self._catalog, self._viewer)
        if any(extra & set(policy.roles) for policy in table.policies):
            return None
        return Actor(self._me, stand_in=True)

    def _try(self, role: str) -> bool:
        if role == self._me:
            return True
        for grant in (False, True):
            try:
                with self._database.transaction():
                    if grant:
                        self._database.run(f"grant {identifier(role)} to current_user")
                    with acting_as(self._database, role):
                        pass
            except DatabaseFailed:
                continue
            return True
        return False
