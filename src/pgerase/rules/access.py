"""`access.yaml` as typed frozen values. Order of tuples is the order of the file unless said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from pgerase.errors import Position
from pgerase.rules.conditions import Action, Condition, Literal
from pgerase.rules.names import Path, Step, TableColumns, TableName


class Everyone(StrEnum):
    """What an object gives to every active viewer before any rule. `write` covers all four actions."""

    NONE = "none"
    READ = "read"
    WRITE = "write"

    def covers(self, action: Action) -> bool:
        """Whether this starting point includes `action`."""
        return self is Everyone.WRITE or (self is Everyone.READ and action is Action.READ)


class IdentityKind(StrEnum):
    """How a session says on whose behalf it runs (DESIGN.md, Identity)."""

    SETTING = "setting"
    ROLE = "role"
    CLAIMS = "claims"
    TOKEN = "token"


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity source; `claim` names the JWT claim for CLAIMS and is "sub" otherwise."""

    kind: IdentityKind
    at: Position
    claim: str = "sub"


@dataclass(frozen=True, slots=True)
class Reference:
    """A lookup that no constraint declares."""

    source: TableColumns
    target: TableColumns
    at: Position


@dataclass(frozen=True, slots=True)
class ManagerColumn:
    """Hierarchy by a column of the viewers table that holds the manager's key."""

    column: str
    at: Position


@dataclass(frozen=True, slots=True)
class ManagerTree:
    """Hierarchy by a tree: `through` leads from a person to a node (his role), the column `up` from a node to the one above."""

    through: Path
    up: str
    at: Position


@dataclass(frozen=True, slots=True)
class ColumnAttribute:
    """A column of the viewers table, declared by name (an array column has many values)."""

    name: str
    at: Position


@dataclass(frozen=True, slots=True)
class LookupAttribute:
    """A value found by following lookups from the viewers table."""

    name: str
    path: Path
    at: Position


@dataclass(frozen=True, slots=True)
class RelationAttribute:
    """Many values: `value` of the rows of `table` where `where`; `below` adds descendants along that parent column."""

    name: str
    table: TableName
    where: Condition | None
    value: str
    below: TableColumns | None
    at: Position


Attribute: TypeAlias = ColumnAttribute | LookupAttribute | RelationAttribute


@dataclass(frozen=True, slots=True)
class Viewers:
    """The people on whose behalf sessions run, and which columns decide about them."""

    table: TableName
    key: str
    identity: Identity
    active: Condition | None
    erased: Condition | None
    super_admin: Condition | None
    manager: ManagerColumn | ManagerTree | None
    attributes: tuple[Attribute, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class MemberKeys:
    """Members of a group by key."""

    keys: tuple[Literal, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class MemberRelation:
    """Members of a group from a table: `value` holds a viewer's key in the rows where `where` is true."""

    table: TableName
    value: str
    where: Condition | None
    at: Position


@dataclass(frozen=True, slots=True)
class ManagedBy:
    """Who adds and removes members by hand, besides super admins: `who`, or with None nobody else."""

    who: Condition | None
    at: Position


@dataclass(frozen=True, slots=True)
class Group:
    """A set of people: those who fit `criteria` and those listed."""

    name: str
    criteria: Condition | None
    members: MemberKeys | MemberRelation | None
    include_inactive: bool
    at: Position
    managed_by: ManagedBy | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Grants `can` to whoever `who` holds for, on the rows `rows` holds for. None means true (for `becomes`: as `rows`)."""

    name: str
    who: Condition | None
    rows: Condition | None
    becomes: Condition | None
    can: frozenset[Action]
    hierarchy: bool
    at: Position


@dataclass(frozen=True, slots=True)
class Requirement:
    """Must hold besides any grant, unless `who` is false for the viewer."""

    name: str
    who: Condition | None
    rows: Condition
    can: frozenset[Action]
    passes_on: bool
    at: Position


@dataclass(frozen=True, slots=True)
class Inherit:
    """A parent term: the resource named `parent`, through the lookup `step` of this resource's table."""

    parent: str
    step: Step
    at: Position


@dataclass(frozen=True, slots=True)
class Term:
    """`own` or a parent's name in a `combine` expression."""

    name: str
    at: Position


@dataclass(frozen=True, slots=True)
class ExpressionAnd:
    """Every part holds."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class ExpressionOr:
    """At least one part holds."""

    parts: tuple[Expression, ...]


Expression: TypeAlias = Term | ExpressionAnd | ExpressionOr


@dataclass(frozen=True, slots=True)
class Combine:
    """An inheritance rule: for viewers for whom `who` holds (None: always), terms combine as `expression` says."""

    name: str
    who: Condition | None
    expression: Expression
    at: Position


@dataclass(frozen=True, slots=True)
class ColumnRight:
    """One entry of `columns`. Each value: "everyone", "none", or who may; grammar only, compiled by a later release."""

    column: str
    read: ColumnGrant | None
    insert: ColumnGrant | None
    update: ColumnGrant | None
    mask: Literal | None
    at: Position


@dataclass(frozen=True, slots=True)
class ColumnGrant:
    """Who may, and on which rows; both None with `everyone` True for all, False for none."""

    everyone: bool | None
    who: Condition | None
    rows: Condition | None
    at: Position


@dataclass(frozen=True, slots=True)
class HandOver:
    """A column with a viewer's key (an owner) that may be given to any active person by whoever may update the row."""

    column: str
    at: Position


@dataclass(frozen=True, slots=True)
class Resource:
    """A table with access rules."""

    name: str
    table: TableName
    everyone: Everyone
    passes_on: bool
    rules: tuple[Rule, ...]
    require: tuple[Requirement, ...]
    inherits: tuple[Inherit, ...]
    combine: tuple[Combine, ...]
    columns: tuple[ColumnRight, ...]
    at: Position
    hand_over: tuple[HandOver, ...] = ()


@dataclass(frozen=True, slots=True)
class Authority:
    """`authority: {table.column: who}`: who besides super admins may write a column that decisions read."""

    table: TableName
    column: str
    everyone: bool
    who: Condition | None
    at: Position


class Measure(StrEnum):
    """What an aggregate tells of a group. No least and no greatest: each is one row's own value."""

    COUNT = "count"
    DISTINCT = "distinct"
    SUM = "sum"
    AVG = "avg"


@dataclass(frozen=True, slots=True)
class AggregateKey:
    """What an aggregate groups by: a column or lookup of the row, shown under `name`."""

    name: str
    path: Path
    at: Position


@dataclass(frozen=True, slots=True)
class AggregateValue:
    """A number that is shown of a group. `path` is None for the count of rows; `round_to`: the nearest multiple of it is shown."""

    name: str
    measure: Measure
    path: Path | None
    round_to: int | None
    at: Position


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Groups of a resource's rows for people who may not see the rows; groups of fewer than `at_least` are not shown.

    The size of a group is its number of rows, or of different values of `each`.
    """

    name: str
    resource: str
    who: Condition
    by: tuple[AggregateKey, ...]
    rows: Condition | None
    values: tuple[AggregateValue, ...]
    at_least: int
    each: Path | None
    at: Position


@dataclass(frozen=True, slots=True)
class AccessRules:
    """A whole `access.yaml`, includes merged. `viewers` is None only where every rule names a role."""

    references: tuple[Reference, ...]
    viewers: Viewers | None
    groups: tuple[Group, ...]
    resources: tuple[Resource, ...]
    authority: tuple[Authority, ...]
    at: Position
    aggregates: tuple[Aggregate, ...] = ()

    def resource(self, name: str) -> Resource:
        """The resource of that name. Raises KeyError where there is none."""
        for resource in self.resources:
            if resource.name == name:
                return resource
        raise KeyError(name)
