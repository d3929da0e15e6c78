"""`access.yaml`, read: the whole file put together, then checked as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pgerase.errors import Position
from pgerase.rules import check_access
from pgerase.rules.access import AccessRules, Authority, Reference, Viewers
from pgerase.rules.basics import NAME, TABLE_COLUMNS, VERSION
from pgerase.rules.conditions import Condition
from pgerase.rules.documents import INCLUDE, compose_alone
from pgerase.rules.names import TableColumns
from pgerase.rules.names_read import NameProblem, parse_name, parse_table_columns
from pgerase.rules.read_aggregates import AGGREGATE
from pgerase.rules.read_conditions import ConditionShape, NamedConditions
from pgerase.rules.read_resources import RESOURCE
from pgerase.rules.read_viewers import GROUP, VIEWERS
from pgerase.rules.reading import Reading
from pgerase.rules.scopes import WHO
from pgerase.rules.shapes import (
    ByKind,
    Choice,
    Fields,
    Keyed,
    Mapped,
    MappingOf,
    Parsed,
    Record,
    Shape,
    Text,
    defaulted,
    optional,
)
from pgerase.rules.yaml_nodes import Entry, MappingNode

MERGEABLE = frozenset({"references", "groups", "resources", "conditions", "authority", "aggregates"})


def _references(
    entries: tuple[Keyed[TableColumns, TableColumns], ...], _at: Position, reading: Reading
) -> tuple[Reference, ...]:
    for entry in entries:
        if len(entry.key.columns) != len(entry.value.columns):
            message = f"{entry.key} and {entry.value} have different numbers of columns"
            reading.error("reference-shape", message, entry.at)
    return tuple(Reference(entry.key, entry.value, entry.at) for entry in entries)


@dataclass(frozen=True, slots=True)
class _AuthorityColumn:
    """`table.column`, or a column of the viewers table alone."""

    columns: TableColumns | None
    column: str


def _authority_column(text: str) -> _AuthorityColumn:
    try:
        return _AuthorityColumn(None, parse_name(text))
    except NameProblem:
        columns = parse_table_columns(text)
    if len(columns.columns) != 1:
        raise NameProblem(f"{columns} is more than one column", "give each column its own entry")
    return _AuthorityColumn(columns, columns.columns[0])


@dataclass(frozen=True, slots=True)
class _Who:
    everyone: bool
    who: Condition | None


_WHO: Shape[_Who] = ByKind(
    "everyone, none or a condition",
    scalar=Mapped(Choice({"everyone": True, "none": False}), lambda everyone, at, _: _Who(everyone, None)),
    mapping=Mapped(ConditionShape(WHO), lambda who, at, _: _Who(everyone=False, who=who)),
)
_REFERENCES = defaulted(
    "references",
    Mapped(
        MappingOf(TABLE_COLUMNS, TABLE_COLUMNS, what="a mapping from columns to the columns they refer to"), _references
    ),
    (),
    "Lookups that no constraint declares.",
)
_VIEWERS = optional("viewers", VIEWERS, "The people on whose behalf sessions run.")
_GROUPS = defaulted(
    "groups",
    MappingOf(Text("the name of a group"), GROUP, what="a mapping from names to groups"),
    (),
    "Sets of people.",
)
_RESOURCES = defaulted(
    "resources",
    MappingOf(Text("the name of a resource"), RESOURCE, what="a mapping from names to resources"),
    (),
    "Tables with access rules.",
)
_AUTHORITY = defaulted(
    "authority",
    MappingOf(Parsed("a column", _authority_column), _WHO, what="a mapping from columns to who may write them"),
    (),
    "Who besides super admins may write a column that decisions read.",
)
_AGGREGATES = defaulted(
    "aggregates",
    MappingOf(NAME, AGGREGATE, what="a mapping from names to aggregates"),
    (),
    "Numbers about groups of rows, for people who may not see the rows.",
)
_CONDITIONS = optional("conditions", NamedConditions(), "Conditions by name, for {use: name}.")


def _rules(fields: Fields) -> AccessRules:
    viewers = fields[_VIEWERS]
    rules = AccessRules(
        references=fields[_REFERENCES],
        viewers=viewers,
        groups=tuple(replace(group.value, name=group.key, at=group.at) for group in fields[_GROUPS]),
        resources=tuple(replace(item.value, name=item.key, at=item.at) for item in fields[_RESOURCES]),
        authority=tuple(_authority(entry, viewers, fields.reading) for entry in fields[_AUTHORITY]),
        at=fields.at,
        aggregates=tuple(replace(item.value, name=item.key, at=item.at) for item in fields[_AGGREGATES]),
    )
    check_access.check(rules, fields.reading)
    return rules


def _authority(entry: Keyed[_AuthorityColumn, _Who], viewers: Viewers | None, reading: Reading) -> Authority:
    if entry.key.columns is not None:
        return Authority(entry.key.columns.table, entry.key.column, entry.value.everyone, entry.value.who, entry.at)
    if viewers is None:
        hint = "write table.column"
        reading.fail("no-viewers", "a column alone is one of the viewers table, and there is none", entry.at, hint)
    return Authority(viewers.table, entry.key.column, entry.value.everyone, entry.value.who, entry.at)


ACCESS = Record(
    "access.yaml",
    (VERSION, INCLUDE, _CONDITIONS, _REFERENCES, _VIEWERS, _GROUPS, _RESOURCES, _AUTHORITY, _AGGREGATES),
    _rules,
)


def read_access(text: str, file: str = "access.yaml") -> AccessRules:
    """The rules of an `access.yaml` given as text. Raises RuleFileError with every finding."""
    reading = Reading()
    root = compose_alone(text, file, reading)
    rules = None if root is None else read_access_node(root, reading)
    reading.finish()
    assert rules is not None
    return rules


def read_access_node(root: MappingNode, reading: Reading) -> AccessRules | None:
    """As read_access, from a root node; None where something was reported."""
    return reading.attempt(lambda: ACCESS.read(conditions_first(root), reading))


def conditions_first(root: MappingNode) -> MappingNode:
    """The root with `conditions` in front: the other sections use them, wherever they stand in the file."""
    return MappingNode(tuple(sorted(root.entries, key=_is_not_conditions)), root.at)


def _is_not_conditions(entry: Entry) -> bool:
    return entry.key.text != "conditions"
