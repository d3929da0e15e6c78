"""Steps that take single objects away, or put back what was there before them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pgerase.catalog.model import Catalog, Name
from pgerase.compile.desired import DesiredGrant, DesiredPolicy, DesiredRoleSetting
from pgerase.errors import InternalError
from pgerase.plan.family import below, children
from pgerase.plan.model import Change, Effect, Ledger, Lock, Step, decoded
from pgerase.plan.objects import Key, Kind
from pgerase.plan.steps import EXCLUSIVE, owner_of_schema
from pgerase.render import statements as sql
from pgerase.render.fragments import quote_identifier


class Remover:
    """Takes objects of ours away from one database, as the ledger knows them."""

    def __init__(self, catalog: Catalog, ledger: Ledger, prefix: str) -> None:
        self._catalog = catalog
        self._family = children(catalog)
        self._user = catalog.current_user
        self._database = catalog.database
        self._ledger = ledger
        self._prefix = prefix

    def drop(self, key: Key) -> Step:
        """The step that takes an object away. Without statements where it is gone already. Raises InternalError for others'."""
        state = self._ledger.state(key)
        if state is None or key.kind is Kind.LOG_CLASS:
            return self._forgotten(
                key, "gone already; only forgotten" if state is None else "the log stays; only forgotten"
            )
        row = self._ledger.rows.get(key)
        before = decoded(row.undo if row is not None else "{}")
        match key.kind:
            case Kind.POLICY:
                return self.drop_policy(key, state)
            case Kind.TRIGGER:
                schema, table, name = key.parts
                if key.is_capture(self._prefix):
                    return self._gone(key, sql.drop_trigger(Name(schema, table), name), Effect.NEUTRAL)
                step = self._gone(key, sql.drop_trigger(Name(schema, table), name), Effect.WIDEN)
                leaves = below(self._family, Name(schema, table))
                return replace(step, locks=(*step.locks, *(Lock(leaf, EXCLUSIVE) for leaf in leaves)))
            case Kind.ROW_SECURITY:
                return self._flags(key, state, before)
            case Kind.VIEW | Kind.FUNCTION:
                return self._owned(key, state)
            case Kind.GRANT | Kind.MEMBERSHIP if before:
                return self._forgotten(key, "held before pgerase; left")
            case Kind.GRANT:
                return self._revoked(key)
            case Kind.MEMBERSHIP:
                return self._gone(key, sql.revoke_membership(*key.parts), Effect.CHANGES)
            case Kind.ROLE_SETTING:
                return self._setting(key, before)
            case Kind.READS:
                return self._reads(key, state, before)
            case _:
                raise InternalError(f"{key} is nothing to drop")

    def drop_policy(self, key: Key, state: Mapping[str, Any]) -> Step:
        """The step that drops a policy, ours or one that is replaced."""
        schema, table, name = key.parts
        effect = Effect.NARROW if state["permissive"] else Effect.WIDEN
        return self._gone(key, sql.drop_policy(Name(schema, table), name), effect)

    def restore_policy(self, key: Key, definition: str) -> Step:
        """The step that gives a replaced policy back; one of that name that is there again is left alone."""
        schema, table, name = key.parts
        if self._ledger.state(key) is not None:
            return self._forgotten(key, "somebody made it again; left as it is")
        if Key(Kind.ROW_SECURITY, (schema, table)) not in self._ledger.live:
            return self._forgotten(key, "its table is gone; only forgotten")
        state = decoded(definition)
        policy = DesiredPolicy(
            table=Name(schema, table),
            name=name,
            command=str(state["command"]),
            permissive=bool(state["permissive"]),
            roles=tuple(state["roles"]),
            using=state["using"],
            check=state["check"],
            comment=str(state["comment"]),
        )
        return Step(
            Change.CREATE,
            key,
            statements=(sql.create_policy(policy),),
            locks=(Lock(policy.table, EXCLUSIVE),),
            effect=Effect.WIDEN if policy.permissive else Effect.NARROW,
            record=False,
            note="given back",
        )

    def _forgotten(self, key: Key, note: str) -> Step:
        return Step(Change.DROP, key, record=False, note=note)

    def _gone(self, key: Key, text: str, effect: Effect, run_as: str | None = None) -> Step:
        table = key.table
        return Step(
            Change.DROP,
            key,
            before=(text,),
            before_as=None if run_as == self._user else run_as,
            locks=(Lock(table, EXCLUSIVE),) if table else (),
            effect=effect,
            destructive=True,
            record=False,
        )

    def _flags(self, key: Key, state: Mapping[str, Any], before: Mapping[str, Any]) -> Step:
        enabled, forced = bool(before.get("enabled")), bool(before.get("forced"))
        if state == {"enabled": enabled, "forced": forced}:
            return self._forgotten(key, "as it was before")
        text = sql.row_security(Name(*key.parts), enabled=enabled, forced=forced)
        return self._gone(key, text, Effect.WIDEN)

    def _owned(self, key: Key, state: Mapping[str, Any]) -> Step:
        owner = str(state["owner"])
        if key.kind is Kind.VIEW:
            told = key.parts[0] == self._prefix and f"{self._prefix}_viewer SELECT" in state["grants"]
            effect = Effect.NARROW if told else Effect.NEUTRAL
            return self._gone(key, sql.drop_view(Name(*key.parts)), effect, run_as=owner)
        schema, name, arguments = key.parts
        return self._gone(key, sql.drop_function(Name(schema, name), arguments), Effect.NEUTRAL, run_as=owner)

    def _revoked(self, key: Key) -> Step:
        what, schema, name, detail, privilege, grantee = key.parts
        target = quote_identifier(schema) + (f".{quote_identifier(name)}" if name else "")
        if what == "function":
            target += f"({detail})"
        elif detail:
            privilege = f"{privilege} ({quote_identifier(detail)})"
        effect = Effect.NARROW if grantee == f"{self._prefix}_viewer" else Effect.NEUTRAL
        text = sql.revoke(DesiredGrant(what, target, privilege, grantee))
        return self._gone(key, text, effect, run_as=owner_of_schema(schema, self._prefix))

    def _reads(self, key: Key, state: Mapping[str, Any], before: Mapping[str, Any]) -> Step:
        """Give back exactly what a role was granted; nothing to give where table or role are gone."""
        schema, name, role = key.parts
        table = self._catalog.tables.get(Name(schema, name))
        if table is None or (role != "public" and role not in self._catalog.roles):
            return self._forgotten(key, "its table or role is gone; only forgotten")
        if state == before:
            return self._forgotten(key, "as it was before")
        whole = any(_with_option(said) for said in before["table"]) if before["table"] else None
        columns = {column: _with_option(said) for column, said in before["columns"] if table.column(column) is not None}
        writes = [
            (privilege, column, _with_option(said))
            for privilege, column, said in before.get("writes", ())
            if column is None or table.column(column) is not None
        ]
        given = writes if table.kind == "f" else None
        text = sql.set_reads(table.name, role, whole=whole, columns=columns, writes=given)
        return replace(self._gone(key, text, Effect.WIDEN), locks=(), destructive=False, note="given back")

    def _setting(self, key: Key, before: Mapping[str, Any]) -> Step:
        role, setting = key.parts
        if "value" in before:
            wanted = DesiredRoleSetting(role, setting, str(before["value"]))
            return self._gone(key, sql.set_role_setting(wanted, self._database), Effect.NEUTRAL)
        return self._gone(key, sql.reset_role_setting(role, self._database, setting), Effect.NEUTRAL)


def _with_option(said: str) -> bool:
    return said.endswith(" grantable")
