"""`viewers` and `groups` of `access.yaml`, read."""

from __future__ import annotations

from pgerase.errors import Position
from pgerase.rules import check_access
from pgerase.rules.access import (
    Attribute,
    ColumnAttribute,
    Group,
    Identity,
    IdentityKind,
    LookupAttribute,
    ManagedBy,
    ManagerColumn,
    ManagerTree,
    MemberKeys,
    MemberRelation,
    RelationAttribute,
    Viewers,
)
from pgerase.rules.basics import FORWARD_PATH, NAME, TABLE, TABLE_COLUMNS
from pgerase.rules.read_conditions import ConditionShape
from pgerase.rules.reading import Reading
from pgerase.rules.scopes import CRITERIA, MEMBERS, PERSON, RELATION, WHO
from pgerase.rules.shapes import (
    ByKind,
    Choice,
    Definitions,
    Fields,
    Flag,
    ListOf,
    LiteralValue,
    Mapped,
    Record,
    Schema,
    Shape,
    Text,
    defaulted,
    optional,
    required,
)
from pgerase.rules.yaml_nodes import MappingNode, Node, ScalarNode

_KINDS = Choice({kind.value: kind for kind in IdentityKind})
_CLAIM = required("claims", Text("the name of a claim"), "The claim of the JWT that holds the viewer's key.")
_IDENTITY: Shape[Identity] = ByKind(
    "setting, role, token, claims or {claims: name}",
    scalar=Mapped(_KINDS, lambda kind, at, _: Identity(kind, at)),
    mapping=Record("identity", (_CLAIM,), lambda fields: Identity(IdentityKind.CLAIMS, fields.at, fields[_CLAIM])),
)
_THROUGH = required("through", FORWARD_PATH, "The lookup from a viewer to a node of the tree.")
_UP = required("up", NAME, "The column of the tree that points to the parent node.")
_MANAGER: Shape[ManagerColumn | ManagerTree] = ByKind(
    "a column, or {through: …, up: …}",
    scalar=Mapped(NAME, lambda column, at, _: ManagerColumn(column, at)),
    mapping=Record("manager", (_THROUGH, _UP), lambda fields: ManagerTree(fields[_THROUGH], fields[_UP], fields.at)),
)
_FROM = required("from", TABLE, "The table whose rows relate.")
_VALUE = required("value", NAME, "The column whose values are meant.")
_RELATION_WHERE = optional("where", ConditionShape(RELATION), "Which rows; {viewer: …} is the person in question.")
_BELOW = optional("below", TABLE_COLUMNS, "A parent column: everything below the values is meant too.")
_RELATION_KEYS = (_FROM, _RELATION_WHERE, _VALUE, _BELOW)


class _AttributeShape(Shape[Attribute]):
    """`column`, `name: lookup.column` or `name: {from, where, value, below}`."""

    what = "a column, or a mapping from one name to a lookup or a relation"

    def read(self, node: Node, reading: Reading) -> Attribute:
        if not isinstance(node, MappingNode):
            return ColumnAttribute(NAME.read(node, reading), node.at)
        if len(node.entries) != 1:
            reading.fail(
                "one-key", "an attribute is a mapping with one key, its name", node.at, "start each with a dash"
            )
        entry = node.entries[0]
        name = NAME.read(ScalarNode(entry.key.text, entry.key.text, entry.key.at), reading)
        with reading.within(name):
            if not isinstance(entry.value, MappingNode):
                return LookupAttribute(name, FORWARD_PATH.read(entry.value, reading), entry.key.at)
            return Record("a relation", _RELATION_KEYS, lambda fields: _relation(name, entry.key.at, fields)).read(
                entry.value, reading
            )

    def schema(self, definitions: Definitions) -> Schema:
        relation = Record("a relation", _RELATION_KEYS, lambda fields: None).schema(definitions)
        named: Schema = {
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": {"anyOf": [FORWARD_PATH.schema(definitions), relation]},
        }
        return {"anyOf": [NAME.schema(definitions), named]}


def _relation(name: str, at: Position, fields: Fields) -> RelationAttribute:
    return RelationAttribute(name, fields[_FROM], fields[_RELATION_WHERE], fields[_VALUE], fields[_BELOW], at)


_PERSON_CONDITION = ConditionShape(PERSON)
_VIEWERS_TABLE = required("table", TABLE, "The table with one row a person.")
_VIEWERS_KEY = required("key", NAME, "The column that identifies a person.")
_VIEWERS_IDENTITY = required("identity", _IDENTITY, "How a session says on whose behalf it runs.")
_ACTIVE = optional("active", _PERSON_CONDITION, "A viewer for whom this is not true sees nothing.")
_ERASED = optional("erased", _PERSON_CONDITION, "Who is erased, and so neither viewer nor member of anything.")
_SUPER_ADMIN = optional("super_admin", _PERSON_CONDITION, "Who is granted everything that requirements allow.")
_VIEWERS_MANAGER = optional("manager", _MANAGER, "The column with a person's manager, or a tree of roles.")
_ATTRIBUTES = defaulted(
    "attributes", ListOf(_AttributeShape()), (), "What conditions may ask of a person besides columns."
)
_VIEWERS_KEYS = (
    _VIEWERS_TABLE,
    _VIEWERS_KEY,
    _VIEWERS_IDENTITY,
    _ACTIVE,
    _ERASED,
    _SUPER_ADMIN,
    _VIEWERS_MANAGER,
    _ATTRIBUTES,
)


def _viewers(fields: Fields) -> Viewers:
    viewers = Viewers(
        table=fields[_VIEWERS_TABLE],
        key=fields[_VIEWERS_KEY],
        identity=fields[_VIEWERS_IDENTITY],
        active=fields[_ACTIVE],
        erased=fields[_ERASED],
        super_admin=fields[_SUPER_ADMIN],
        manager=fields[_VIEWERS_MANAGER],
        attributes=fields[_ATTRIBUTES],
        at=fields.at,
    )
    check_access.check_viewers(viewers, fields.reading)
    return viewers


VIEWERS = Record("viewers", _VIEWERS_KEYS, _viewers)

# groups ----------------------------------------------------------------------------------------------------------------

_CRITERIA = optional(
    "criteria", ConditionShape(CRITERIA), "Who fits is a member; such members cannot be removed by hand."
)
_MEMBERS_WHERE = optional("where", ConditionShape(MEMBERS), "Which rows.")
_MEMBERS: Shape[MemberKeys | MemberRelation] = ByKind(
    "a list of keys, or {from: …, value: …, where: …}",
    sequence=Mapped(ListOf(LiteralValue(), minimum=0), lambda keys, at, _: MemberKeys(keys, at)),
    mapping=Record(
        "members",
        (_FROM, _VALUE, _MEMBERS_WHERE),
        lambda fields: MemberRelation(fields[_FROM], fields[_VALUE], fields[_MEMBERS_WHERE], fields.at),
    ),
)
_GROUP_MEMBERS = optional("members", _MEMBERS, "Members by key, or from a table.")
_INCLUDE_INACTIVE = defaulted("include_inactive", Flag(), False, "Whether inactive people are members too.")
_SUPER_ADMIN_ALONE = Choice({"super_admin": None})
_MANAGED_BY_WHO = ConditionShape(WHO)
_MANAGED_BY: Shape[ManagedBy] = ByKind(
    "super_admin, or a condition on the viewer",
    scalar=Mapped(_SUPER_ADMIN_ALONE, lambda who, at, _: ManagedBy(who, at)),
    mapping=Mapped(_MANAGED_BY_WHO, lambda who, at, _: ManagedBy(who, at)),
)
_GROUP_MANAGED_BY = optional(
    "managed_by",
    _MANAGED_BY,
    "Who, besides super admins, adds and removes members by the functions add_to_… and remove_from_….",
)


def _group(fields: Fields) -> Group:
    if not fields.has(_CRITERIA) and not fields.has(_GROUP_MEMBERS):
        fields.reading.fail("empty-group", "a group needs criteria, members or both", fields.at)
    if fields.has(_GROUP_MANAGED_BY) and not isinstance(fields[_GROUP_MEMBERS], MemberRelation):
        message = "members that are managed by hand stand in a table, and this group has none"
        fields.reading.error("managed-group", message, fields.at_key(_GROUP_MANAGED_BY), "members: {from: …, value: …}")
    return Group(
        "", fields[_CRITERIA], fields[_GROUP_MEMBERS], fields[_INCLUDE_INACTIVE], fields.at, fields[_GROUP_MANAGED_BY]
    )


GROUP = Record("a group", (_CRITERIA, _GROUP_MEMBERS, _INCLUDE_INACTIVE, _GROUP_MANAGED_BY), _group)
