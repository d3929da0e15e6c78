"""`tables` of `data_map.yaml`, read: links, references, columns, files."""

from __future__ import annotations

from dataclasses import replace

from pgerase.rules.basics import ANY_PATH, NAME, STEP, TABLE_COLUMNS
from pgerase.rules.data_map import (
    ByIdentifier,
    ByKey,
    ByTemplates,
    Gone,
    GoneWord,
    Link,
    MappedTable,
    NothingPersonalColumn,
    Of,
    OfAny,
    OfLinks,
    OfSelf,
    Owners,
    PersonalColumn,
    RowFiles,
    TableReference,
)
from pgerase.rules.names import Path, TableColumns, TableName
from pgerase.rules.names_read import parse_name
from pgerase.rules.read_rows import DATA_CONDITION, ROW_RULES, UNLINK_VALUE
from pgerase.rules.read_treatments import TREATMENTS
from pgerase.rules.reading import Reading, Unreadable
from pgerase.rules.shapes import (
    ByKind,
    Choice,
    Definitions,
    Fields,
    Flag,
    ListOf,
    Mapped,
    MappingOf,
    Parsed,
    Record,
    Schema,
    Shape,
    Single,
    Text,
    defaulted,
    optional,
    read_all,
    required,
)
from pgerase.rules.templates import JSON_PATH, LINK_TEMPLATE, TEMPLATE
from pgerase.rules.yaml_nodes import Entry, MappingNode, Node, ScalarNode, SequenceNode

# References

_GONE_SHAPE: Shape[Gone] = ByKind(
    "delete, unlink, keep or {unlink: value}",
    scalar=Choice[Gone]({word.value: word for word in GoneWord}),
    mapping=Single[Gone]("gone", {"unlink": UNLINK_VALUE}),
)
_TO = required("to", TABLE_COLUMNS, "The column or columns it refers to.")
_GONE = optional("gone", _GONE_SHAPE, "What the row does when the row it points to is deleted.")
_REFERENCE: Shape[tuple[TableColumns, Gone | None]] = ByKind(
    "columns of a table, or {to: …, gone: …}",
    scalar=Mapped(TABLE_COLUMNS, lambda to, at, _: (to, None)),
    mapping=Record("a reference", (_TO, _GONE), lambda fields: (fields[_TO], fields[_GONE])),
)

# Links

_LINK_WHEN = optional("when", DATA_CONDITION, "For which rows it is a link.")
_LINK_ROWS = optional("rows", ROW_RULES, "What is done to rows that hang on this link; default: the table's.")
_LINK_AT = optional("at", JSON_PATH, "Where in a JSON column the value stands.")
_LINK_SCAN = defaulted("scan", Flag(), False, "Whether it may be searched without an index.")
_LINK_KEYS = {key.name: key for key in (_LINK_WHEN, _LINK_ROWS, _LINK_AT, _LINK_SCAN)}
_TEMPLATES = ListOf(LINK_TEMPLATE)
_NO_PATH = Path(())


class _ByShape(Shape[ByKey | ByIdentifier | ByTemplates]):
    """`key`, an identifier's name, a template, or a list of templates."""

    what = "key, the name of an identifier, a template or a list of templates"
    _name = Parsed("the name of an identifier", parse_name)

    def read(self, node: Node, reading: Reading) -> ByKey | ByIdentifier | ByTemplates:
        if isinstance(node, SequenceNode):
            return ByTemplates(_TEMPLATES.read(node, reading))
        if not isinstance(node, ScalarNode):
            raise self.mismatch(node, reading)
        if node.text == "key":
            return ByKey()
        if "{" in node.text or "*" in node.text:
            return ByTemplates((LINK_TEMPLATE.read(node, reading),))
        return ByIdentifier(self._name.read(node, reading))

    def schema(self, definitions: Definitions) -> Schema:
        return {"anyOf": [Text().schema(definitions), _TEMPLATES.schema(definitions)]}


_BY = _ByShape()
_SUBJECT_NAME = Text("the name of a subject")


class _LinkShape(Shape[tuple[Link, ...]]):
    """A subject's name; a mapping from it to key, identifier or template, with options; or a list of such mappings."""

    what = "a subject, or a mapping from a subject to key, an identifier or a template"

    def read(self, node: Node, reading: Reading) -> tuple[Link, ...]:
        if isinstance(node, SequenceNode):
            if not node.items:
                raise self.mismatch(node, reading)
            return read_all(_ONE_LINK, node.items, reading)
        return (_ONE_LINK.read(node, reading),)

    def schema(self, definitions: Definitions) -> Schema:
        one = _ONE_LINK.schema(definitions)
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


class _OneLink(Shape[Link]):
    what = _LinkShape.what

    def read(self, node: Node, reading: Reading) -> Link:
        if isinstance(node, ScalarNode):
            subject = _SUBJECT_NAME.read(node, reading)
            return Link(_NO_PATH, subject, ByKey(), None, None, scan=False, rows=None, at=node.at)
        if not isinstance(node, MappingNode):
            raise self.mismatch(node, reading)
        options = tuple(entry for entry in node.entries if entry.key.text in _LINK_KEYS)
        subjects = [entry for entry in node.entries if entry.key.text not in _LINK_KEYS]
        if len(subjects) != 1:
            names = " and ".join(entry.key.text for entry in subjects) or "none"
            hint = "several links are a list; options are " + ", ".join(_LINK_KEYS)
            reading.fail("one-subject", f"a link leads to one subject, not to {names}", node.at, hint)
        return self._with_options(subjects[0], MappingNode(options, node.at), reading)

    def _with_options(self, subject: Entry, options: MappingNode, reading: Reading) -> Link:
        by = reading.attempt(lambda: _BY.read(subject.value, reading))
        link = Record("a link", tuple(_LINK_KEYS.values()), lambda fields: _link(subject.key.text, by, fields)).read(
            options, reading
        )
        if by is None:
            raise Unreadable
        return link

    def schema(self, definitions: Definitions) -> Schema:
        options = Record("a link", tuple(_LINK_KEYS.values()), lambda fields: None).schema(definitions)
        mapping = options | {"additionalProperties": _BY.schema(definitions), "minProperties": 1}
        return {"anyOf": [_SUBJECT_NAME.schema(definitions), mapping]}


_ONE_LINK = _OneLink()


def _link(subject: str, by: ByKey | ByIdentifier | ByTemplates | None, fields: Fields) -> Link:
    return Link(
        path=_NO_PATH,
        subject=subject,
        by=by or ByKey(),
        when=fields[_LINK_WHEN],
        inside=fields[_LINK_AT],
        scan=fields[_LINK_SCAN],
        rows=fields[_LINK_ROWS],
        at=fields.at,
    )


# Columns


class _OfShape(Shape[Of]):
    """`self`, `any`, a link, a list of links, or a subject. A subject arrives as a link and is told apart later."""

    what = "self, any, a link, a list of links or a subject"
    _links = ListOf(ANY_PATH)

    def read(self, node: Node, reading: Reading) -> Of:
        if isinstance(node, SequenceNode):
            return OfLinks(self._links.read(node, reading), node.at)
        if not isinstance(node, ScalarNode):
            raise self.mismatch(node, reading)
        if node.text == "self":
            return OfSelf(node.at)
        if node.text == "any":
            return OfAny(node.at)
        return OfLinks((ANY_PATH.read(node, reading),), node.at)

    def schema(self, definitions: Definitions) -> Schema:
        return {"anyOf": [ANY_PATH.schema(definitions), self._links.schema(definitions)]}


_OF_SHAPE = _OfShape()
_KIND = required("kind", Text("a kind"), "What it is: email, name, phone, free_text, json, …")
_PURPOSE = optional("purpose", Text("a purpose"), "The business purpose it is there for.")
ERASE = required("erase", TREATMENTS, "What erasing a person does to it.")
_ERASE = defaulted(
    "erase", TREATMENTS, (), "What erasing a person does to it; left out where its row is deleted anyway."
)
_COLUMN_OF = optional("of", _OF_SHAPE, "Whose it is; default: the table's of.")
_MENTIONS = defaulted("mentions", Flag(), False, "Whether it is searched in all rows for identifiers.")
_WRITE = defaulted("write", Choice({"self": True}), False, "self: only the person may change it.")


def _personal(fields: Fields) -> PersonalColumn:
    return PersonalColumn(
        column="",
        kind=fields[_KIND],
        purpose=fields[_PURPOSE],
        erase=fields[_ERASE],
        of=fields[_COLUMN_OF],
        mentions=fields[_MENTIONS],
        write_self=fields[_WRITE],
        at=fields.at,
    )


_COLUMN: Shape[PersonalColumn | NothingPersonalColumn] = ByKind(
    "none, or a mapping with kind, purpose and erase",
    scalar=Mapped(Choice({"none": None}), lambda _, at, __: NothingPersonalColumn("", at)),
    mapping=Record("a personal column", (_KIND, _PURPOSE, _ERASE, _COLUMN_OF, _MENTIONS, _WRITE), _personal),
)

# Tables

_SUBJECT = optional("subject", _SUBJECT_NAME, "The subject whose table this is.")
_ROWS = optional("rows", ROW_RULES, "What is done to a person's rows; a link's own rows come first.")
_REFERENCES = defaulted(
    "references",
    MappingOf(STEP, _REFERENCE, what="a mapping from columns to the columns they refer to"),
    (),
    "References that no constraint declares, and what the row does when its target is deleted.",
)
_LINKS = defaulted(
    "links", MappingOf(ANY_PATH, _LinkShape(), what="a mapping from paths to subjects"), (), "Whose rows these are."
)
_OF = optional("of", _OF_SHAPE, "Whose the columns are.")
_OWNERS = defaulted(
    "owners",
    Choice({owners.value: owners for owners in Owners}),
    Owners.ANY,
    "Whether a row that several people own goes with any of them, or with the last.",
)
_COLUMNS = defaulted(
    "columns",
    MappingOf(NAME, _COLUMN, what="a mapping from columns to what they hold"),
    (),
    "Columns with personal data, and what becomes of each.",
)
_FILES = defaulted(
    "files",
    MappingOf(Text("the name of a recipient"), ListOf(TEMPLATE), what="a mapping from recipients to paths of files"),
    (),
    "Files outside the database that belong to a row.",
)
_TABLE_KEYS = (_SUBJECT, _ROWS, _REFERENCES, _LINKS, _OF, _OWNERS, _COLUMNS, _FILES)


def _table(fields: Fields) -> MappedTable:
    if not any(fields.has(key) for key in _TABLE_KEYS):
        hint = "a table without personal data is listed under none:"
        fields.reading.fail("empty-table", "nothing is said about this table", fields.at, hint)
    references: list[TableReference] = []
    for entry in fields[_REFERENCES]:
        to, gone = entry.value
        if len(to.columns) != len(entry.key.columns):
            message = f"{entry.key} and {to} have different numbers of columns"
            fields.reading.error("reference-shape", message, entry.at)
        references.append(TableReference(entry.key, to, gone, entry.at))
    return MappedTable(
        table=TableName(""),
        subject=fields[_SUBJECT],
        rows=fields[_ROWS],
        references=tuple(references),
        links=tuple(replace(link, path=entry.key) for entry in fields[_LINKS] for link in entry.value),
        of=fields[_OF],
        owners=fields[_OWNERS],
        columns=tuple(replace(column.value, column=column.key, at=column.at) for column in fields[_COLUMNS]),
        files=tuple(RowFiles(entry.key, entry.value, entry.at) for entry in fields[_FILES]),
        at=fields.at,
    )


TABLE_MAP = Record("a table of the map", _TABLE_KEYS, _table)
