"""`resources` of `access.yaml`, read: rules, requirements, combine entries, column rights."""

from __future__ import annotations

from dataclasses import replace

from pgerase.errors import Position
from pgerase.rules import access, check_access
from pgerase.rules import logic as expressions
from pgerase.rules.access import (
    ColumnGrant,
    ColumnRight,
    Combine,
    Everyone,
    HandOver,
    Inherit,
    Requirement,
    Resource,
    Rule,
)
from pgerase.rules.basics import NAME, STEP, TABLE
from pgerase.rules.conditions import Action, IsRole
from pgerase.rules.read_conditions import ConditionShape
from pgerase.rules.reading import Reading
from pgerase.rules.scopes import ROWS, RULE_WHO, WHO
from pgerase.rules.shapes import (
    Choice,
    Definitions,
    Fields,
    Flag,
    ListOf,
    LiteralValue,
    Mapped,
    MappingOf,
    Nullable,
    OneOrMany,
    Record,
    Schema,
    Shape,
    Text,
    defaulted,
    optional,
    required,
)
from pgerase.rules.yaml_nodes import MappingNode, Node, ScalarNode

ALL_ACTIONS = frozenset(Action)
# resources -------------------------------------------------------------------------------------------------------------

_CAN_WORDS = Choice({**{action.value: frozenset({action}) for action in Action}, "write": ALL_ACTIONS})


def _union(words: tuple[frozenset[Action], ...], at: Position, reading: Reading) -> frozenset[Action]:
    if len(set(words)) != len(words):
        reading.fail("duplicate-word", "an action is given twice", at)
    return frozenset[Action]().union(*words)


_CAN = Mapped(ListOf(_CAN_WORDS, what="a list of read, insert, update, delete or write"), _union)
_ROWS = ConditionShape(ROWS)
_RULE_NAME = required("name", Text("a name"), "The rule's name, unique in the resource.")
_RULE_WHO = optional("who", ConditionShape(RULE_WHO), "For whom it is; left out: everybody.")
_RULE_ROWS = optional("rows", _ROWS, "For which rows; left out: all.")
_BECOMES = optional("becomes", _ROWS, "What the new row must be instead of rows.")
_RULE_CAN = required("can", _CAN, "What it allows; write means all four.")
_HIERARCHY = defaulted("hierarchy", Flag(), True, "Whether managers have it through their people.")


def _rule(fields: Fields) -> Rule:
    rule = Rule(
        name=fields[_RULE_NAME],
        who=fields[_RULE_WHO],
        rows=fields[_RULE_ROWS],
        becomes=fields[_BECOMES],
        can=fields[_RULE_CAN],
        hierarchy=fields[_HIERARCHY],
        at=fields.at,
    )
    if fields.has(_BECOMES) and not rule.can & {Action.INSERT, Action.UPDATE}:
        message = "becomes speaks of the new row, but this rule neither inserts nor updates"
        fields.reading.error("becomes-without-write", message, fields.at_key(_BECOMES))
    if isinstance(rule.who, IsRole):
        check_access.check_role_rule(rule, fields.reading)
    return rule


RULE = Record("a rule", (_RULE_NAME, _RULE_WHO, _RULE_ROWS, _BECOMES, _RULE_CAN, _HIERARCHY), _rule)

_WHO = ConditionShape(WHO)
_REQUIRE_WHO = optional("who", _WHO, "Whom it binds: everybody for whom this is not false.")
_REQUIRE_ROWS = required("rows", _ROWS, "What must hold.")
_REQUIRE_CAN = defaulted("can", _CAN, ALL_ACTIONS, "Which actions it restricts; left out: all.")
_REQUIRE_PASSES = defaulted("passes_on", Flag(), False, "Whether it must hold on the parent of a child row too.")
_REQUIRE_NAME = required("name", Text("a name"), "The requirement's name, unique in the resource.")
REQUIREMENT = Record(
    "a requirement",
    (_REQUIRE_NAME, _REQUIRE_WHO, _REQUIRE_ROWS, _REQUIRE_CAN, _REQUIRE_PASSES),
    lambda fields: Requirement(
        name=fields[_REQUIRE_NAME],
        who=fields[_REQUIRE_WHO],
        rows=fields[_REQUIRE_ROWS],
        can=fields[_REQUIRE_CAN],
        passes_on=fields[_REQUIRE_PASSES],
        at=fields.at,
    ),
)


def _expression(text: str, at: Position, reading: Reading) -> access.Expression:
    try:
        return _typed(expressions.parse_logic(text, negation=False), at)
    except expressions.LogicProblem as problem:
        hint = "join own and the names of parents with and, or and brackets"
        reading.fail("malformed", f"this is no expression: {problem}", at, hint)


def _typed(logic: expressions.Logic, at: Position) -> access.Expression:
    match logic:
        case expressions.Name(name):
            return access.Term(name, at)
        case expressions.Conjunction(parts):
            return access.ExpressionAnd(tuple(_typed(part, at) for part in parts))
        case expressions.Disjunction(parts):
            return access.ExpressionOr(tuple(_typed(part, at) for part in parts))
        case expressions.Negation():
            raise expressions.LogicProblem("not cannot be used here")


_COMBINE_NAME = required("name", Text("a name"), "The entry's name, unique in the resource.")
_COMBINE_WHO = optional("who", _WHO, "For which viewers; left out: the rest.")
_EXPRESSION = required("expression", Mapped(Text("an expression"), _expression), "own and parents, joined by and, or.")
COMBINE = Record(
    "an entry of combine",
    (_COMBINE_NAME, _COMBINE_WHO, _EXPRESSION),
    lambda fields: Combine(fields[_COMBINE_NAME], fields[_COMBINE_WHO], fields[_EXPRESSION], fields.at),
)

_GRANT_WHO = optional("who", _WHO, "Which viewers.")
_GRANT_ROWS = optional("rows", _ROWS, "On which rows.")
_WHO_ROWS = Record(
    "a column's right",
    (_GRANT_WHO, _GRANT_ROWS),
    lambda fields: ColumnGrant(None, fields[_GRANT_WHO], fields[_GRANT_ROWS], fields.at),
)
_EVERYONE_OR_NONE = Choice({"everyone": True, "none": False})


class _GrantShape(Shape[ColumnGrant]):
    """`everyone`, `none`, a condition on the viewer, or `{who: …, rows: …}`."""

    what = "everyone, none, a condition, or {who: …, rows: …}"

    def read(self, node: Node, reading: Reading) -> ColumnGrant:
        if isinstance(node, MappingNode):
            if node.get("who") or node.get("rows"):
                return _WHO_ROWS.read(node, reading)
            return ColumnGrant(None, _WHO.read(node, reading), None, node.at)
        if not isinstance(node, ScalarNode):
            raise self.mismatch(node, reading)
        return ColumnGrant(_EVERYONE_OR_NONE.read(node, reading), None, None, node.at)

    def schema(self, definitions: Definitions) -> Schema:
        shapes: tuple[Shape[object], ...] = (_EVERYONE_OR_NONE, _WHO_ROWS, _WHO)
        return {"anyOf": [shape.schema(definitions) for shape in shapes]}


_GRANT = _GrantShape()
_READ = optional("read", _GRANT, "Who reads the column.")
_INSERT = optional("insert", _GRANT, "Who fills it in a new row.")
_UPDATE = optional("update", _GRANT, "Who changes it.")
_WRITE = optional("write", _GRANT, "insert and update together.")
_MASK = optional("mask", Nullable(LiteralValue()), "What is shown to those who may not read it; default null.")


def _column_right(fields: Fields) -> ColumnRight:
    insert, update = fields[_INSERT], fields[_UPDATE]
    if fields.has(_WRITE):
        for key in (_INSERT, _UPDATE):
            if fields.has(key):
                message = f"write covers {key.name}, which is given as well"
                fields.reading.fail("write-and-more", message, fields.at_key(key), "give insert and update, or write")
        insert = update = fields[_WRITE]
    return ColumnRight("", fields[_READ], insert, update, fields[_MASK], fields.at)


_COLUMN_RIGHT = Record("the rights on a column", (_READ, _INSERT, _UPDATE, _WRITE, _MASK), _column_right)

_TABLE = required("table", TABLE, "The table it governs.")
_EVERYONE = required(
    "everyone",
    Choice({everyone.value: everyone for everyone in Everyone}),
    "What every active viewer has before any rule; there is no default: it has to be said.",
)
_PASSES_ON = defaulted("passes_on", Flag(), False, "Whether every resource with one lookup to it inherits from it.")
_RULES = defaulted("rules", ListOf(RULE), (), "Who is granted what; several rules add up.")
_REQUIRE = defaulted("require", ListOf(REQUIREMENT), (), "What must hold besides any grant, for super admins too.")
_INHERITS = defaulted(
    "inherits",
    MappingOf(Text("the name of a resource"), STEP, what="a mapping from resources to lookup columns"),
    (),
    "Parents: the resource, and the lookup column of this table that leads to it.",
)
_COMBINE = defaulted(
    "combine", ListOf(COMBINE), (), "How own and inherited rights combine; the first that fits decides."
)
_COLUMNS = defaulted(
    "columns",
    MappingOf(NAME, _COLUMN_RIGHT, what="a mapping from columns to rights"),
    (),
    'Restrictions on columns; "*" is every column not named.',
)
_HANDED_OVER = Mapped(NAME, lambda column, at, _: HandOver(column, at))
_HAND_OVER = defaulted(
    "hand_over",
    OneOrMany(_HANDED_OVER),
    (),
    "Columns with a person's key that whoever may update a row can give to any active person, by the function hand_over_….",
)


def _resource(fields: Fields) -> Resource:
    return Resource(
        name="",
        table=fields[_TABLE],
        everyone=fields[_EVERYONE],
        passes_on=fields[_PASSES_ON],
        rules=fields[_RULES],
        require=fields[_REQUIRE],
        inherits=tuple(Inherit(parent.key, parent.value, parent.at) for parent in fields[_INHERITS]),
        combine=fields[_COMBINE],
        columns=tuple(replace(column.value, column=column.key, at=column.at) for column in fields[_COLUMNS]),
        at=fields.at,
        hand_over=fields[_HAND_OVER],
    )


RESOURCE = Record(
    "a resource",
    (_TABLE, _EVERYONE, _PASSES_ON, _RULES, _REQUIRE, _INHERITS, _COMBINE, _COLUMNS, _HAND_OVER),
    _resource,
)
