"""Rules bound to a database: names have become tables, columns and types; conditions are ready to be written as SQL.

The nodes compare by meaning, not by place, so that rules of one shape can be found and folded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from pgerase.catalog.model import Column, Name, Table
from pgerase.compile.types import ValueType
from pgerase.errors import Position
from pgerase.rules.access import Measure
from pgerase.rules.conditions import Action, Operator


class Side(StrEnum):
    """Whose value it is: the resource's row, the person's, or the member row of a relation."""

    ROW = "row"
    PERSON = "person"
    MEMBER = "member"


@dataclass(frozen=True, slots=True)
class Hop:
    """A lookup: these columns here equal those columns of `target`, at most one row there."""

    columns: tuple[str, ...]
    target: Name
    target_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ColumnValue:
    """A column, reached through `hops`."""

    side: Side
    hops: tuple[Hop, ...]
    column: str
    type: ValueType


@dataclass(frozen=True, slots=True)
class Relation:
    """A declared relation attribute: `value` of the rows of `table` where `where` (about member and person)."""

    name: str
    table: Name
    where: BoundCondition
    value: str
    type: ValueType
    below: Below | None


@dataclass(frozen=True, slots=True)
class Below:
    """Descendants: rows of `table` whose `parent` leads to a value; `key` is what values are compared with."""

    table: Name
    key: str
    parent: str


@dataclass(frozen=True, slots=True)
class RelationValue:
    """The person's values of a relation, narrowed at the place of use."""

    relation: Relation
    narrowed: BoundCondition

    @property
    def type(self) -> ValueType:
        """Many values of the relation's type."""
        return self.relation.type


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal or a list of them as finished SQL; `items` are the single literals."""

    items: tuple[str, ...]
    type: ValueType


@dataclass(frozen=True, slots=True)
class Computed:
    """A value that is no column, as finished SQL: a relative time, the people of a request (many)."""

    text: str
    type: ValueType


@dataclass(frozen=True, slots=True)
class Parameter:
    """A constant that rules of one shape differ in: column `name` of the folded constants."""

    name: str
    type: ValueType


Value: TypeAlias = ColumnValue | RelationValue | Constant | Computed | Parameter


@dataclass(frozen=True, slots=True)
class BAll:
    """Every term holds."""

    terms: tuple[BoundCondition, ...]


@dataclass(frozen=True, slots=True)
class BAny:
    """At least one term holds."""

    terms: tuple[BoundCondition, ...]


@dataclass(frozen=True, slots=True)
class BNot:
    """Three-valued negation."""

    term: BoundCondition


@dataclass(frozen=True, slots=True)
class BTest:
    """A comparison; `right` is None for IS_NULL and IS_SET, and two values for BETWEEN."""

    left: Value
    operator: Operator
    right: Value | tuple[Value, Value] | None


@dataclass(frozen=True, slots=True)
class BInGroup:
    """The person is a member of one of these groups."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BCan:
    """The viewer may finally do `action` to the row of `resource` that the lookup points to."""

    side_hops: tuple[Hop, ...]
    resource: str
    action: Action


BoundCondition: TypeAlias = BAll | BAny | BNot | BTest | BInGroup | BCan

HOLDS = BAll(())


@dataclass(frozen=True, slots=True)
class BoundRule:
    """A rule; `roles` is not empty for a role rule, whose `who` is then HOLDS."""

    name: str
    roles: tuple[str, ...]
    who: BoundCondition
    rows: BoundCondition
    becomes: BoundCondition
    can: frozenset[Action]
    hierarchy: bool
    at: Position


@dataclass(frozen=True, slots=True)
class BoundRequirement:
    """A requirement. A passed-on one has `through` (the lookup) and `origin` (the parent's requirement) instead of rows."""

    name: str
    who: BoundCondition | None
    rows: BoundCondition
    can: frozenset[Action]
    passes_on: bool
    at: Position
    through: Hop | None = None
    origin: tuple[str, str] | None = None
    """(resource, requirement name) it was passed on from."""


@dataclass(frozen=True, slots=True)
class BoundParent:
    """A parent term."""

    resource: str
    hop: Hop
    at: Position


@dataclass(frozen=True, slots=True)
class BTerm:
    """A term of an expression: None for own, else the parent's name."""

    parent: str | None


@dataclass(frozen=True, slots=True)
class BJoin:
    """Terms joined by AND (`every`) or OR."""

    every: bool
    parts: tuple[BoundExpression, ...]


BoundExpression: TypeAlias = BTerm | BJoin


@dataclass(frozen=True, slots=True)
class BoundCombine:
    """An inheritance rule; `who` None holds always."""

    name: str
    who: BoundCondition | None
    expression: BoundExpression
    at: Position


@dataclass(frozen=True, slots=True)
class BoundHandOver:
    """A column whose person may be replaced by any active one; `keys` say which row is meant."""

    column: Column
    keys: tuple[Column, ...]
    at: Position


@dataclass(frozen=True, slots=True)
class BoundColumnGrant:
    """Who may do something with a column, and on which rows. `who` None asks nothing of a person; `nobody`: not even super admins.

    `name` tells it apart within its resource: the entry of `columns` and the action.
    """

    name: str
    nobody: bool
    who: BoundCondition | None
    rows: BoundCondition
    at: Position


@dataclass(frozen=True, slots=True)
class BoundColumnRight:
    """What is restricted of one column, `"*"` already looked up; None: everyone may. `mask` is finished SQL of the column's type."""

    column: Column
    read: BoundColumnGrant | None
    insert: BoundColumnGrant | None
    update: BoundColumnGrant | None
    mask: str


@dataclass(frozen=True, slots=True)
class BoundColumns:
    """The restricted columns in the table's order, and what holds for columns that are added later."""

    rights: tuple[BoundColumnRight, ...] = ()
    later_read: BoundColumnGrant | None = None
    later_insert: BoundColumnGrant | None = None
    later_update: BoundColumnGrant | None = None

    @property
    def hidden(self) -> tuple[BoundColumnRight, ...]:
        """The columns that not everyone may read."""
        return tuple(right for right in self.rights if right.read is not None)


@dataclass(frozen=True, slots=True)
class BoundResource:
    """A resource on its table. `open` holds the actions for which it is open to everyone, parents included."""

    name: str
    table: Table
    open: frozenset[Action]
    rules: tuple[BoundRule, ...]
    requirements: tuple[BoundRequirement, ...]
    parents: tuple[BoundParent, ...]
    combine: tuple[BoundCombine, ...]
    hand_over: tuple[BoundHandOver, ...]
    at: Position
    columns: BoundColumns = BoundColumns()


@dataclass(frozen=True, slots=True)
class ManagedMembers:
    """Members that are added and removed by hand: by super admins and those whom `who` holds for.

    A member's row holds the person's key in `value` and the constants `fixed` (column, finished SQL), and nothing else.
    """

    who: BoundCondition | None
    table: Table
    value: Column
    fixed: tuple[tuple[str, str], ...]
    at: Position


@dataclass(frozen=True, slots=True)
class BoundGroup:
    """A group. `member_table`/`member_value`/`member_where` describe members listed in a table."""

    name: str
    criteria: BoundCondition | None
    keys: Constant | None
    member_table: Name | None
    member_value: str
    member_where: BoundCondition
    include_inactive: bool
    managed: ManagedMembers | None = None


@dataclass(frozen=True, slots=True)
class BoundTree:
    """Hierarchy by a tree of roles. `hops` lead from a person to a node of `table`, which `key` names and `up` points to."""

    hops: tuple[Hop, ...]
    table: Name
    key: str
    up: str


@dataclass(frozen=True, slots=True)
class BoundPeople:
    """The viewers table."""

    table: Table
    key: Column
    active: BoundCondition
    erased: BoundCondition | None
    super_admin: BoundCondition | None
    manager: str | BoundTree | None
    """The column with the manager's key, or a tree of roles."""
    become: bool
    """Sessions call `become`, which can leave a hint for the planner."""


@dataclass(frozen=True, slots=True)
class BoundAuthority:
    """Who besides super admins may write a column that decisions read; `who` None with `everyone`."""

    table: Name
    column: str
    everyone: bool
    who: BoundCondition | None


@dataclass(frozen=True, slots=True)
class BoundKey:
    """What an aggregate groups by, and the name it is shown under."""

    name: str
    value: ColumnValue


@dataclass(frozen=True, slots=True)
class BoundMeasure:
    """A number of a group; `value` is None for the count of rows."""

    name: str
    measure: Measure
    value: ColumnValue | None
    round_to: int | None


@dataclass(frozen=True, slots=True)
class BoundAggregate:
    """Groups of a resource's rows, for whom `who` holds; those with fewer than `at_least` rows, or values of `each`, are not shown."""

    name: str
    resource: str
    who: BoundCondition
    by: tuple[BoundKey, ...]
    rows: BoundCondition
    values: tuple[BoundMeasure, ...]
    at_least: int
    each: ColumnValue | None
    at: Position


@dataclass(frozen=True, slots=True)
class BoundStaff:
    """Who of the staff may hold a support grant, and who (None: nobody) may break the glass."""

    who: BoundCondition
    break_glass: BoundCondition | None


@dataclass(frozen=True, slots=True)
class BoundRules:
    """Everything, bound."""

    people: BoundPeople | None
    groups: tuple[BoundGroup, ...]
    resources: tuple[BoundResource, ...]
    """Parents and resources named in `{can: …}` before those that name them."""
    authority: tuple[BoundAuthority, ...]
    references: tuple[tuple[Name, Hop], ...] = field(default=())
    aggregates: tuple[BoundAggregate, ...] = ()
    staff: BoundStaff | None = None

    def resource(self, name: str) -> BoundResource:
        """The resource of that name. Raises KeyError."""
        for resource in self.resources:
            if resource.name == name:
                return resource
        raise KeyError(name)
