"""What the database should hold: the compiler's result, as frozen values.

`plan` compares these with the catalog; `render` lays them out as SQL. Expressions and queries are finished SQL text, fully
qualified, made by `pgerase.compile` alone; everything else is names. Order of `objects` is an order in which they can be made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from pgerase.catalog.model import Name, Table
from pgerase.errors import Finding


@dataclass(frozen=True, slots=True)
class DesiredMembership:
    """`member` is a member of `role` (a viewer login of the prefix's viewer role)."""

    role: str
    member: str


@dataclass(frozen=True, slots=True)
class DesiredGrant:
    """A privilege one of pgerase's own roles needs. `kind` is table, schema or function; `target` as GRANT wants it, quoted."""

    kind: str
    target: str
    privilege: str
    grantee: str


@dataclass(frozen=True, slots=True)
class DesiredView:
    """A view of pgerase's own, owned by `owner`; `readers` get SELECT. `query` has no trailing semicolon.

    `barrier`: a security_barrier view, whose rows no condition of its reader sees before its own.

    `some` get SELECT on some columns each.
    `privileges` are what else the readers have on it, as GRANT spells it: `update ("owner_id")`, `delete`.
    """

    name: Name
    owner: str
    query: str
    readers: tuple[str, ...]
    comment: str
    privileges: tuple[str, ...] = ()
    some: tuple[tuple[str, tuple[str, ...]], ...] = ()
    barrier: bool = False


@dataclass(frozen=True, slots=True)
class DesiredMask:
    """Whoever is bound by the rules reads of `table` the columns that are not `hidden`, and all through the masked view.

    `secured`: the table has no row security, all of it is hidden, and nobody reads it but its owner and the roles in `exempt`.
    Which roles these are, and what each was granted before, is for the plan to find out: it makes a `DesiredReads` of each.
    """

    table: Name
    hidden: tuple[str, ...]
    view: Name
    secured: bool = False
    exempt: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DesiredAggregate:
    """A view that tells viewers of groups of a table's rows, whether or not they may read the rows."""

    view: Name
    table: Name


@dataclass(frozen=True, slots=True)
class DesiredReads:
    """`role` is granted SELECT on these columns of an application table, and on no other; of a foreign table nothing else either."""

    table: Name
    role: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DesiredFunction:
    """A function of pgerase's own. `definition` is the whole CREATE OR REPLACE statement without the semicolon.

    `owner` None leaves it with the installing role. `arguments` is its identity signature, e.g. "text, integer".
    """

    name: Name
    arguments: str
    owner: str | None
    definition: str
    executors: tuple[str, ...]
    comment: str


def partition_makers(table: Table) -> tuple[str, ...]:
    """Who needs EXECUTE on the function of a row trigger of this table: whoever makes or attaches a partition, as its owner.

    The server copies the trigger as that role, and asks it for the right. A trigger function runs on a trigger's call alone.
    """
    return (table.owner,) if table.kind == "p" else ()


@dataclass(frozen=True, slots=True)
class DesiredTrigger:
    """A trigger on an application table. `definition` is the whole CREATE TRIGGER statement without the semicolon."""

    table: Name
    name: str
    definition: str
    comment: str


@dataclass(frozen=True, slots=True)
class DesiredPolicy:
    """A policy. `command` is SELECT, INSERT, UPDATE, DELETE or (exempt policies of pgerase's own roles only) ALL."""

    table: Name
    name: str
    command: str
    permissive: bool
    roles: tuple[str, ...]
    using: str | None
    check: str | None
    comment: str


@dataclass(frozen=True, slots=True)
class DesiredRowSecurity:
    """Row security enabled and forced on a table or leaf."""

    table: Name


@dataclass(frozen=True, slots=True)
class DesiredRoleSetting:
    """A setting of a role in this database, e.g. row_security = off for the migrator."""

    role: str
    setting: str
    value: str


@dataclass(frozen=True, slots=True)
class DesiredLogClass:
    """A class of entries of the audit log. `keep` is an interval in ISO 8601, `period` what one partition covers: day, week, month."""

    name: str
    keep: str
    period: str
    ahead: int


DesiredObject: TypeAlias = (
    DesiredMembership
    | DesiredGrant
    | DesiredView
    | DesiredFunction
    | DesiredTrigger
    | DesiredPolicy
    | DesiredRowSecurity
    | DesiredRoleSetting
    | DesiredReads
    | DesiredLogClass
)


@dataclass(frozen=True, slots=True)
class Desired:
    """The whole result for one pack on one database. `governed` are the tables in mode on, without their leaves.

    Those of them that have a secured view in place of policies are in `masks`.
    """

    prefix: str
    objects: tuple[DesiredObject, ...]
    governed: tuple[Name, ...]
    findings: tuple[Finding, ...]
    masks: tuple[DesiredMask, ...] = ()
    aggregates: tuple[DesiredAggregate, ...] = ()
    opened: tuple[tuple[Name, str], ...] = ()
    """Tables whose rows support grants open, and by what: equal texts say that the same grants open the same rows."""

    @property
    def secured(self) -> tuple[Name, ...]:
        """The governed tables that no policy can be on."""
        return tuple(mask.table for mask in self.masks if mask.secured)

    @property
    def exempt(self) -> dict[Name, tuple[str, ...]]:
        """The services that read such a table past its view."""
        return {mask.table: mask.exempt for mask in self.masks if mask.secured}
