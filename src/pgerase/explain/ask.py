"""Asks the database itself, as the viewer and through policies: reads and rights on the table, writes on a clone of it.

Nothing is changed and no trigger of the application fires: new rows and deletes are tried on a clone with the same policies, in the
transaction that is rolled back, and what may be updated is asked with FOR KEY SHARE.
"""

from __future__ import annotations

from collections.abc import Mapping

from pgerase.catalog.model import Catalog, Table
from pgerase.database import Database, identifier, with_parameters
from pgerase.errors import DatabaseFailed
from pgerase.explain.model import Asked, Question
from pgerase.rules.conditions import Action
from pgerase.verify.assume import Actor, Cast
from pgerase.verify.clones import Clone, Workshop
from pgerase.verify.identity import Identity
from pgerase.verify.probes import attempt
from pgerase.verify.savepoint import taken_back
from pgerase.verify.statements import Statements
from pgerase.verify.viewers import Viewer

_LOCKED = {"55P03", "40001"}
_GRANT = "grant one of {roles} to the connecting role (with inherit false, set true), or run as the owner of the table"


class Asking:
    """One question to one database, in an open transaction."""

    def __init__(self, database: Database, catalog: Catalog, cast: Cast, table: Table) -> None:
        self._database = database
        self._catalog = catalog
        self._cast = cast
        self._table = table

    def actor(self, question: Question) -> Actor | str:
        """Whom to ask as; else, in words, why nobody can."""
        if question.role is not None:
            return self._of_role(question.role)
        if self._on_clone(question):
            found = self._cast.actor_for_clone(self._table)
        else:
            found = self._cast.actor_for(self._table, update=question.action is Action.UPDATE)
        if found is None:
            roles = ", ".join(self._cast.logins) or "the application's logins"
            return f"no role that its policies bind has the rights and may be assumed: {_GRANT.format(roles=roles)}"
        return found

    def clone(self, workshop: Workshop, reader: str, question: Question, place: str, new: str | None) -> Clone | None:
        """A clone of the table with the row, and the new row to write, where one is needed. Raises DatabaseFailed.

        Inside the block in which the lookup role is borrowed; `place` is the row's, `new` a JSON object.
        """
        if not self._on_clone(question) or (not place and question.action is not Action.INSERT):
            return None
        clone = workshop.clone(self._table, reader, [place] if place else [], ())
        if new is not None:
            wanted = with_parameters(identifier(clone.wanted.schema, clone.wanted.name))
            sql = with_parameters(clone.sql)
            base, source = ("t", f" from {sql} as t") if place else (f"null::{sql}", "")
            made = f"pg_catalog.jsonb_populate_record({base}, %s::pg_catalog.jsonb)"
            self._database.rows(f"insert into {wanted} (n, r) select 0, {made}{source}", [new])
        return workshop.with_policies(clone)

    def ask(
        self,
        question: Question,
        actor: Actor,
        identity: Identity,
        key: Mapping[str, str] | None,
        clone: Clone | None,
        *,
        missing: bool,
    ) -> Asked:
        """What the database does; of a row that is `missing`, whether it shows one. Raises DatabaseFailed for anything else."""
        viewer = Viewer("given", "", question.viewer, None, role=question.role)
        statements = Statements(self._database)
        with self._database.transaction(), self._cast.acting(actor):
            identity.present(viewer)
            if clone is not None:
                return Asked(
                    self._write(statements, question.action, clone), actor.role, "tried on a clone of the table"
                )
            if key is None or (self._on_clone(question) and not missing):
                return Asked(None, actor.role, "there is nothing to try it on")
            return self._look(question.action, actor, key, missing=missing)

    def _look(self, action: Action, actor: Actor, key: Mapping[str, str], *, missing: bool) -> Asked:
        tests = " and ".join(f"t.{with_parameters(identifier(column))} = %s" for column in key)
        table = with_parameters(identifier(self._table.name.schema, self._table.name.name))
        statement, values = f"select 1 from {table} as t where {tests}", list(key.values())
        if action is Action.READ or missing:
            return Asked(bool(self._database.rows(statement, values)), actor.role, "select")
        try:
            locked = taken_back(
                self._database, lambda: self._database.rows(f"{statement} for key share nowait", values)
            )
        except DatabaseFailed as error:
            if error.sqlstate not in _LOCKED:
                raise
            return Asked(None, actor.role, "somebody else is changing the row: try again")
        return Asked(bool(locked), actor.role, "select … for key share")

    def _write(self, statements: Statements, action: Action, clone: Clone) -> bool:
        match action:
            case Action.INSERT:
                changed = attempt(self._database, statements, clone.insert, 0)
            case Action.UPDATE:
                changed = attempt(self._database, statements, clone.update, 0, clone.places[0])
            case _:
                changed = attempt(self._database, statements, clone.delete, clone.places[0])
        return changed == 1

    def _on_clone(self, question: Question) -> bool:
        return question.action in (Action.INSERT, Action.DELETE) or question.new is not None

    def _of_role(self, role: str) -> Actor | str:
        if role not in self._catalog.roles:
            return f"there is no role {role}"
        if not self._cast.may_assume(role):
            return f"the connecting role may not act as {role}: {_GRANT.format(roles=role)}"
        return Actor(role)
