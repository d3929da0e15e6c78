"""`data_map.yaml`, read: the whole file put together, then checked as a whole."""

from __future__ import annotations

from dataclasses import replace

from pgerase.rules import check_data_map
from pgerase.rules.basics import NAME, TABLE, VERSION
from pgerase.rules.data_map import (
    Application,
    ColumnOverride,
    DataMap,
    Profile,
    Recipient,
    RecipientKind,
    RetainColumns,
    RetainSubject,
    RetentionRule,
    TableOverride,
)
from pgerase.rules.documents import INCLUDE, compose_alone
from pgerase.rules.names import TableName
from pgerase.rules.read_access import conditions_first
from pgerase.rules.read_conditions import NamedConditions
from pgerase.rules.read_rows import DATA_CONDITION, ROW_RULES
from pgerase.rules.read_subjects import SUBJECT
from pgerase.rules.read_tables import ERASE, TABLE_MAP
from pgerase.rules.reading import Reading
from pgerase.rules.shapes import (
    ByKind,
    Choice,
    Fields,
    Flag,
    ListOf,
    Mapped,
    MappingOf,
    Record,
    Shape,
    Single,
    Text,
    defaulted,
    optional,
    required,
)
from pgerase.rules.templates import TABLE_PATTERN, VERSIONS
from pgerase.rules.yaml_nodes import MappingNode

MERGEABLE = frozenset({"subjects", "tables", "none", "recipients", "retention", "profiles", "conditions"})

_APPLICATION_NAME = required("name", Text("a name"), "The application's name.")
_VERSIONS = defaulted("versions", VERSIONS, (), "The versions this map fits, as >=3 <5.")
_APPLICATION_SHAPE = Record(
    "application",
    (_APPLICATION_NAME, _VERSIONS),
    lambda fields: Application(fields[_APPLICATION_NAME], fields[_VERSIONS], fields.at),
)

# Recipients

_KIND = required("kind", Choice({kind.value: kind for kind in RecipientKind}), "How they are told.")
_BEFORE = defaulted("before", Flag(), False, "Whether the database part waits until they are done.")
_RECIPIENT_WHEN = optional("when", DATA_CONDITION, "For which people.")
_TEXT = optional("text", Text("instructions"), "What somebody has to do by hand.")
_URL_ENV = optional("url_env", Text("the name of a variable"), "The environment variable that holds the address.")
_NEEDS = defaulted("needs", ListOf(Text("the name of an identifier")), (), "Identifiers they have to be given.")


def _recipient(fields: Fields) -> Recipient:
    kind = fields[_KIND]
    needed, other = (_TEXT, _URL_ENV) if kind is RecipientKind.MANUAL else (_URL_ENV, _TEXT)
    if not fields.has(needed):
        message = f"a recipient of the kind {kind} needs the key {needed.name}"
        fields.reading.error("missing-key", message, fields.at, needed.summary)
    if fields.has(other):
        message = f"a recipient of the kind {kind} has no {other.name}"
        fields.reading.error("unused-key", message, fields.at_key(other))
    return Recipient(
        name="",
        kind=kind,
        before=fields[_BEFORE],
        when=fields[_RECIPIENT_WHEN],
        text=fields[_TEXT],
        url_env=fields[_URL_ENV],
        needs=fields[_NEEDS],
        at=fields.at,
    )


_RECIPIENT = Record("a recipient", (_KIND, _BEFORE, _RECIPIENT_WHEN, _TEXT, _URL_ENV, _NEEDS), _recipient)

# Retention

_RULE_NAME = required("name", Text("a name"), "The rule's name.")
_RULE_SUBJECT = optional("subject", Text("the name of a subject"), "The kind of people it is about.")
_RULE_TABLE = optional("table", TABLE, "The table it is about.")
_RULE_WHEN = required("when", DATA_CONDITION, "When it is time.")
_DO_SHAPE: Shape[tuple[str, ...] | None] = ByKind(
    "erase, or {clear: [columns]}",
    scalar=Mapped(Choice({"erase": None}), lambda nothing, at, _: nothing),
    mapping=Single[tuple[str, ...] | None]("what is done", {"clear": ListOf(NAME)}),
)
_DO = required("do", _DO_SHAPE, "erase for a subject, {clear: [columns]} for a table.")


def _retention(fields: Fields) -> RetentionRule:
    subject, table, columns = fields[_RULE_SUBJECT], fields[_RULE_TABLE], fields[_DO]
    reading = fields.reading
    if (subject is None) == (table is None):
        reading.fail("one-key", "a retention rule is about a subject or about a table", fields.at)
    if table is not None:
        if columns is None:
            reading.fail(
                "wrong-shape", "erase is for people; this rule is about a table", fields.at_key(_DO), "do: {clear: […]}"
            )
        return RetentionRule(
            fields[_RULE_NAME], RetainColumns(table, columns, fields.at), fields[_RULE_WHEN], fields.at
        )
    if columns is not None or subject is None:
        reading.fail("wrong-shape", "clear is for a table; this rule is about people", fields.at_key(_DO), "do: erase")
    return RetentionRule(fields[_RULE_NAME], RetainSubject(subject, fields.at), fields[_RULE_WHEN], fields.at)


_RETENTION_RULE = Record("a retention rule", (_RULE_NAME, _RULE_SUBJECT, _RULE_TABLE, _RULE_WHEN, _DO), _retention)

# Profiles

_COLUMN_OVERRIDE = Record("a profile's column", (ERASE,), lambda fields: fields[ERASE])
_OVERRIDE_ROWS = optional("rows", ROW_RULES, "What is done to rows instead.")
_OVERRIDE_COLUMNS = defaulted(
    "columns",
    MappingOf(NAME, _COLUMN_OVERRIDE, what="a mapping from columns to {erase: …}"),
    (),
    "What is done to columns instead.",
)


def _override(fields: Fields) -> TableOverride:
    if not fields.has(_OVERRIDE_ROWS) and not fields.has(_OVERRIDE_COLUMNS):
        fields.reading.fail("empty-table", "a profile's table needs rows, columns or both", fields.at)
    columns = tuple(ColumnOverride(column.key, column.value, column.at) for column in fields[_OVERRIDE_COLUMNS])
    return TableOverride(TableName(""), fields[_OVERRIDE_ROWS], columns, fields.at)


_PROFILE_WHEN = required("when", DATA_CONDITION, "For which people.")
_PROFILE_TABLES = defaulted(
    "tables",
    MappingOf(
        TABLE, Record("a profile's table", (_OVERRIDE_ROWS, _OVERRIDE_COLUMNS), _override), what="a mapping of tables"
    ),
    (),
    "What is different for them, by table; without, the profile is a name, by which audit.yaml knows them.",
)


def _profile(fields: Fields) -> Profile:
    tables = tuple(replace(entry.value, table=entry.key, at=entry.at) for entry in fields[_PROFILE_TABLES])
    return Profile("", fields[_PROFILE_WHEN], tables, fields.at)


# The whole file

_APPLICATION = optional("application", _APPLICATION_SHAPE, "Which versions of which application this map fits.")
_CONDITIONS = optional("conditions", NamedConditions(), "Conditions by name, for {use: name}.")
_SUBJECTS = required(
    "subjects",
    MappingOf(Text("the name of a subject"), SUBJECT, what="a mapping from names to subjects"),
    "Kinds of people.",
)
_TABLES = defaulted(
    "tables", MappingOf(TABLE, TABLE_MAP, what="a mapping from tables to their data"), (), "Tables with personal data."
)
_NONE = defaulted("none", ListOf(TABLE_PATTERN), (), "Tables looked at, nothing personal; * is any characters.")
_RECIPIENTS = defaulted(
    "recipients",
    MappingOf(Text("the name of a recipient"), _RECIPIENT, what="a mapping from names to recipients"),
    (),
    "Who else has to act.",
)
_RETENTION = defaulted("retention", ListOf(_RETENTION_RULE), (), "What goes by itself, and when.")
_PROFILES = defaulted(
    "profiles",
    MappingOf(
        Text("the name of a profile"),
        Record("a profile", (_PROFILE_WHEN, _PROFILE_TABLES), _profile),
        what="a mapping from names to profiles",
    ),
    (),
    "What the law of the data subject's own country changes; the first that holds.",
)
_UNINDEXED = defaulted(
    "unindexed", Choice({"scan": True}), False, "scan: links without an index may be searched everywhere."
)


def _data_map(fields: Fields) -> DataMap:
    whole = DataMap(
        application=fields[_APPLICATION],
        subjects=tuple(replace(entry.value, name=entry.key, at=entry.at) for entry in fields[_SUBJECTS]),
        tables=tuple(replace(entry.value, table=entry.key, at=entry.at) for entry in fields[_TABLES]),
        none=fields[_NONE],
        recipients=tuple(replace(entry.value, name=entry.key, at=entry.at) for entry in fields[_RECIPIENTS]),
        retention=fields[_RETENTION],
        profiles=tuple(replace(entry.value, name=entry.key, at=entry.at) for entry in fields[_PROFILES]),
        unindexed_scan=fields[_UNINDEXED],
        at=fields.at,
    )
    resolved = check_data_map.resolve_owners(whole, fields.reading)
    check_data_map.check(resolved, fields.reading)
    return resolved


DATA_MAP = Record(
    "data_map.yaml",
    (
        VERSION,
        INCLUDE,
        _APPLICATION,
        _CONDITIONS,
        _SUBJECTS,
        _TABLES,
        _NONE,
        _RECIPIENTS,
        _RETENTION,
        _PROFILES,
        _UNINDEXED,
    ),
    _data_map,
)


def read_data_map(text: str, file: str = "data_map.yaml") -> DataMap:
    """The map in a `data_map.yaml` given as text. Raises RuleFileError with every finding."""
    reading = Reading()
    root = compose_alone(text, file, reading)
    data_map = None if root is None else read_data_map_node(root, reading)
    reading.finish()
    assert data_map is not None
    return data_map


def read_data_map_node(root: MappingNode, reading: Reading) -> DataMap | None:
    """As read_data_map, from a root node; None where something was reported."""
    reading.conditions = {}
    return reading.attempt(lambda: DATA_MAP.read(conditions_first(root), reading))
