"""Short ways to write rules, catalogs and rows for tests of the reference evaluation: no YAML reader, no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pgerase.catalog.model import Catalog, Column, Constraint, ForeignKey, Name, Table
from pgerase.errors import Position
from pgerase.meaning import Meaning, Session
from pgerase.rules.access import (
    AccessRules,
    Combine,
    Everyone,
    Expression,
    ExpressionAnd,
    ExpressionOr,
    Group,
    Identity,
    IdentityKind,
    Inherit,
    LookupAttribute,
    ManagerColumn,
    MemberKeys,
    MemberRelation,
    Reference,
    RelationAttribute,
    Requirement,
    Resource,
    Rule,
    Term,
    Viewers,
)
from pgerase.rules.conditions import (
    Action,
    All,
    AnyOf,
    Can,
    Condition,
    InGroup,
    IsRole,
    Literal,
    LiteralList,
    Not,
    Operand,
    Operator,
    Range,
    RelativeTime,
    RowRef,
    Span,
    Test,
    ViewerRef,
)
from pgerase.rules.names import Path, Step, TableColumns, TableName

AT = Position("access.yaml", 1, 1)
NOW = datetime(2024, 3, 31, 12, 0, tzinfo=UTC)
WRITE = frozenset(Action)
READ = frozenset({Action.READ})


# -- conditions --------------------------------------------------------------------------------------------------------


def path(written: str) -> Path:
    """`a.b.c`; a composite step is `x+y`."""
    return Path(tuple(Step(tuple(part.split("+"))) for part in written.split(".")))


def operand(value: Any) -> Operand:
    """A plain value is a literal, a list one, anything else an operand already."""
    if isinstance(value, str | int | float | bool):
        return Literal(value, AT)
    if isinstance(value, list):
        return LiteralList(tuple(Literal(item, AT) for item in value), AT)
    return value


def has(attribute: str, operator: str, value: Any = None) -> Test:
    return Test(path(attribute), Operator(operator), None if value is None else operand(value), AT)


def eq(attribute: str, value: Any) -> Test:
    return has(attribute, "eq", value)


def viewer(attribute: str, where: Condition | None = None) -> ViewerRef:
    return ViewerRef(attribute, where, AT)


def row(written: str) -> RowRef:
    return RowRef(path(written), AT)


def ago(months: int = 0, days: int = 0, seconds: int = 0) -> RelativeTime:
    return RelativeTime(Span(months, days, seconds), -1, AT)


def ahead(months: int = 0, days: int = 0, seconds: int = 0) -> RelativeTime:
    return RelativeTime(Span(months, days, seconds), 1, AT)


def ends(low: Any, high: Any) -> Range:
    return Range(operand(low), operand(high), AT)


def all_of(*terms: Condition) -> All:
    return All(terms, AT)


def any_of(*terms: Condition) -> AnyOf:
    return AnyOf(terms, AT)


def no(term: Condition) -> Not:
    return Not(term, AT)


def in_group(*names: str) -> InGroup:
    return InGroup(names, AT)


def is_role(*names: str) -> IsRole:
    return IsRole(names, AT)


def can(lookup: str, action: str) -> Can:
    return Can(path(lookup), Action(action), AT)


# -- rules -------------------------------------------------------------------------------------------------------------


def table_name(written: str) -> TableName:
    schema, _, name = written.rpartition(".")
    return TableName(name, schema or None)


def actions(words: str) -> frozenset[Action]:
    """`read update`, or `write` for all four."""
    return WRITE if words == "write" else frozenset(Action(word) for word in words.split())


def rule(
    name: str = "rule",
    *,
    who: Condition | None = None,
    rows: Condition | None = None,
    becomes: Condition | None = None,
    may: str = "read",
    hierarchy: bool = True,
) -> Rule:
    return Rule(name, who, rows, becomes, actions(may), hierarchy, AT)


def requirement(
    rows: Condition,
    *,
    who: Condition | None = None,
    may: str = "write",
    passes_on: bool = False,
    name: str = "requirement",
) -> Requirement:
    return Requirement(name, who, rows, actions(may), passes_on, AT)


def expression(written: str) -> Expression:
    """`a and b` or `a or b`, without brackets."""
    for word, kind in ((" or ", ExpressionOr), (" and ", ExpressionAnd)):
        if word in written:
            return kind(tuple(expression(part) for part in written.split(word)))
    return Term(written, AT)


def combine(written: str | Expression, who: Condition | None = None) -> Combine:
    return Combine("combine", who, expression(written) if isinstance(written, str) else written, AT)


def resource(
    name: str,
    *rules: Rule,
    table: str | None = None,
    everyone: str = "none",
    passes_on: bool = False,
    require: Sequence[Requirement] = (),
    inherits: Mapping[str, str] | None = None,
    combined: Sequence[Combine] = (),
) -> Resource:
    return Resource(
        name=name,
        table=table_name(table or name),
        everyone=Everyone(everyone),
        passes_on=passes_on,
        rules=rules,
        require=tuple(require),
        inherits=tuple(Inherit(parent, Step(tuple(step.split("+"))), AT) for parent, step in (inherits or {}).items()),
        combine=tuple(combined),
        columns=(),
        at=AT,
    )


def group(
    name: str, criteria: Condition | None = None, members: Any = None, *, include_inactive: bool = False
) -> Group:
    """`members` is a list of keys or what `listed` makes."""
    if isinstance(members, list):
        members = MemberKeys(tuple(Literal(key, AT) for key in members), AT)
    return Group(name, criteria, members, include_inactive, AT)


def listed(table: str, value: str, where: Condition | None = None) -> MemberRelation:
    return MemberRelation(table_name(table), value, where, AT)


def relation(name: str, table: str, value: str, where: Condition | None, below: str | None = None) -> RelationAttribute:
    """`below` is `table.column`."""
    parents = None
    if below is not None:
        tree, _, column = below.rpartition(".")
        parents = TableColumns(table_name(tree), (column,))
    return RelationAttribute(name, table_name(table), where, value, parents, AT)


def found_by(name: str, written: str) -> LookupAttribute:
    return LookupAttribute(name, path(written), AT)


def viewers(
    *attributes: Any,
    table: str = "person",
    key: str = "id",
    active: Condition | None = None,
    erased: Condition | None = None,
    super_admin: Condition | None = None,
    manager: str | None = None,
) -> Viewers:
    return Viewers(
        table=table_name(table),
        key=key,
        identity=Identity(IdentityKind.SETTING, AT),
        active=active,
        erased=erased,
        super_admin=super_admin,
        manager=None if manager is None else ManagerColumn(manager, AT),
        attributes=attributes,
        at=AT,
    )


def reference(source: str, target: str) -> Reference:
    """Both sides as `table.column+column`."""
    sides: list[TableColumns] = []
    for side in (source, target):
        table, _, columns = side.rpartition(".")
        sides.append(TableColumns(table_name(table), tuple(columns.split("+"))))
    return Reference(sides[0], sides[1], AT)


def access(
    *resources: Resource,
    people: Viewers | None = None,
    groups: Sequence[Group] = (),
    references: Sequence[Reference] = (),
) -> AccessRules:
    return AccessRules(tuple(references), people, tuple(groups), resources, (), AT)


# -- catalog and data --------------------------------------------------------------------------------------------------


def column(name: str, written: str) -> Column:
    """`written` is a type, `[]` behind it for an array, `collate c` or `collate loose` (not deterministic) at the end."""
    base, _, collation = written.partition(" collate ")
    element = base.removesuffix("[]") if base.endswith("[]") else None
    return Column(
        name=name,
        position=1,
        type=base,
        base_type=base,
        element_type=element,
        type_kind="b",
        not_null=False,
        default=None,
        identity="",
        generated="",
        collation=collation or None,
        collation_is_c=collation == "c",
        collation_deterministic=collation != "loose",
    )


def name_of(written: str) -> Name:
    schema, _, name = written.rpartition(".")
    return Name(schema or "public", name)


def table(name: str, columns: str, *, primary: str = "id", keys: Mapping[str, str] | None = None) -> Table:
    """`columns` as `id integer, tags text[]`; `keys` as {"a+b": "target.x+y"}; an empty `primary` for none."""
    split = [written.strip().split(" ", 1) for written in columns.split(",")]
    foreign: list[ForeignKey] = []
    for source, target in (keys or {}).items():
        there, _, target_columns = target.rpartition(".")
        own = tuple(source.split("#")[0].split("+"))
        theirs = tuple(target_columns.split("+"))
        foreign.append(ForeignKey(source, own, name_of(there), theirs, "a", "a", "s", False, False, True))
    return Table(
        oid=1,
        name=name_of(name),
        kind="r",
        owner="owner",
        persistence="p",
        columns=tuple(column(name, kind) for name, kind in split),
        constraints=(Constraint("pk", "p", (primary,), ""),) if primary else (),
        foreign_keys=tuple(foreign),
        indexes=(),
        triggers=(),
        policies=(),
        grants=(),
        rls_enabled=False,
        rls_forced=False,
        parents=(),
        is_partition=False,
        estimated_rows=0.0,
        comment="",
    )


def catalog(*tables: Table) -> Catalog:
    return Catalog(
        server_version=180000,
        database="test",
        current_user="owner",
        schemas={},
        tables={table.name: table for table in tables},
        views={},
        routines=(),
        roles={},
        memberships=(),
        publications=(),
        subscriptions=(),
    )


def rows_of(table: Table, *rows: Sequence[object]) -> list[dict[str, object]]:
    """Rows as tuples in the order of the table's columns."""
    return [dict(zip((column.name for column in table.columns), values, strict=True)) for values in rows]


class World:
    """Tables with their rows; `meaning` adds rules, `sees` asks for keys."""

    def __init__(self) -> None:
        self.tables: list[Table] = []
        self.data: dict[Name, list[dict[str, object]]] = {}

    def add(self, name: str, columns: str, *rows: Sequence[object], **more: Any) -> World:
        """A table and its rows, as `table` and `rows_of`."""
        made = table(name, columns, **more)
        self.tables.append(made)
        self.data[made.name] = rows_of(made, *rows)
        return self

    def meaning(self, rules: AccessRules, now: datetime = NOW) -> Meaning:
        return Meaning(rules, catalog(*self.tables), self.data, now)


def as_viewer(key: object) -> Session:
    return Session(str(key), "app")


def sees(
    meaning: Meaning, session: Session | object, resource: str, action: str = "read", key: str = "id"
) -> list[Any]:
    """The keys of the rows that a viewer (by key) or a session may do `action` to."""
    asking = session if isinstance(session, Session) else as_viewer(session)
    return [row[key] for row in meaning.visible(asking, resource, Action(action))]
