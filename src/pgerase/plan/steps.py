"""Steps that make and change single objects: their statements, locks and what they mean to people. Pure."""

from __future__ import annotations

from typing import assert_never

from pgerase.catalog.model import Catalog
from pgerase.compile.desired import (
    DesiredFunction,
    DesiredGrant,
    DesiredLogClass,
    DesiredMembership,
    DesiredObject,
    DesiredPolicy,
    DesiredReads,
    DesiredRoleSetting,
    DesiredRowSecurity,
    DesiredTrigger,
    DesiredView,
)
from pgerase.plan.family import below, children
from pgerase.plan.model import Change, Effect, Lock, Step
from pgerase.plan.objects import Key, key_of
from pgerase.render import statements as sql
from pgerase.render.live import own_roles

EXCLUSIVE = "access exclusive"
_TRIGGER_LOCK = "share row exclusive"


class Maker:
    """Makes the steps that create or change wanted objects in one database."""

    def __init__(self, catalog: Catalog, prefix: str) -> None:
        self._family = children(catalog)
        self._foreign = {name for name, table in catalog.tables.items() if table.kind == "f"}
        self.database = catalog.database
        self.user = catalog.current_user
        self.prefix = prefix

    def make(self, one: DesiredObject, change: Change, *, rebuild: bool) -> Step:
        """The step that creates (or, not rebuilding, alters) an object. A rebuilt one needs its `before` added."""
        key = key_of(one)
        match one:
            case DesiredPolicy():
                return self._policy(key, one, change, rebuild=rebuild)
            case DesiredRowSecurity():
                return Step(
                    change,
                    key,
                    statements=(sql.row_security(one.table, enabled=True, forced=True),),
                    locks=(Lock(one.table, EXCLUSIVE),),
                    effect=Effect.NARROW,
                )
            case DesiredView():
                # What viewers read by its name tells them something; other views are read by policies alone, or in a table's place.
                told = one.name.schema == self.prefix and f"{self.prefix}_viewer" in one.readers
                created = Effect.WIDEN if told else Effect.NEUTRAL
                effect = Effect.CHANGES if change is Change.ALTER else created
                return Step(
                    change, key, statements=(sql.create_view(one),), run_as=self._other(one.owner), effect=effect
                )
            case DesiredFunction():
                effect = Effect.CHANGES if change is Change.ALTER else Effect.NEUTRAL
                return Step(
                    change, key, statements=(sql.create_function(one),), run_as=self._other(one.owner), effect=effect
                )
            case DesiredTrigger():
                mode = EXCLUSIVE if rebuild else _TRIGGER_LOCK
                if key.is_capture(self.prefix):
                    # A statement trigger is on no other table, and nobody may do more or less for it.
                    return Step(change, key, statements=(sql.create_trigger(one),), locks=(Lock(one.table, mode),))
                return Step(
                    change,
                    key,
                    statements=(sql.create_trigger(one),),
                    # A row trigger on a partitioned table is made on every leaf as well.
                    locks=tuple(Lock(table, mode) for table in (one.table, *below(self._family, one.table))),
                    effect=Effect.CHANGES if change is Change.ALTER else Effect.NARROW,
                )
            case DesiredGrant():
                effect = Effect.WIDEN if one.grantee == f"{self.prefix}_viewer" else Effect.NEUTRAL
                return Step(change, key, statements=(sql.grant(one),), run_as=_grantor(one, self.prefix), effect=effect)
            case DesiredReads():
                columns = dict.fromkeys(one.columns, False)
                writes = () if one.table in self._foreign else None
                statement = sql.set_reads(one.table, one.role, whole=None, columns=columns, writes=writes)
                return Step(change, key, statements=(statement,), effect=Effect.NARROW)
            case DesiredMembership():
                return Step(change, key, statements=(sql.grant_membership(one),), effect=Effect.CHANGES)
            case DesiredRoleSetting():
                return Step(change, key, statements=(sql.set_role_setting(one, self.database),))
            case DesiredLogClass():
                return Step(change, key, statements=(sql.define_class(one, self.prefix),))
            case _:
                assert_never(one)

    def _other(self, role: str | None) -> str | None:
        """The role to become, None where it is the applier's own."""
        return None if role == self.user else role

    def _policy(self, key: Key, one: DesiredPolicy, change: Change, *, rebuild: bool) -> Step:
        effect = Effect.CHANGES
        if set(one.roles) <= set(own_roles(self.prefix)[1:]):
            effect = Effect.NEUTRAL  # nobody can become these
        elif change is Change.CREATE:
            effect = Effect.WIDEN if one.permissive else Effect.NARROW
        in_place = change is Change.ALTER and not rebuild
        return Step(
            change,
            key,
            statements=(sql.alter_policy(one) if in_place else sql.create_policy(one),),
            locks=(Lock(one.table, EXCLUSIVE),),
            effect=effect,
        )


def _grantor(one: DesiredGrant, prefix: str) -> str | None:
    """Who owns what is granted: our own schemas and their objects belong to private roles, everything else to the applier."""
    schema = key_of(one).parts[1]
    return owner_of_schema(schema, prefix)


def owner_of_schema(schema: str, prefix: str) -> str | None:
    """The private role that owns a schema of ours; None for the application's."""
    if schema in {f"{prefix}_lookup", f"{prefix}_eraser"}:
        # The schema and the role that owns it have one name.
        return schema
    if schema == f"{prefix}_log":
        return f"{prefix}_keeper"
    return f"{prefix}_secret" if schema in {prefix, f"{prefix}_internal"} else None
