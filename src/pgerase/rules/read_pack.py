"""`pack.yaml`, read. Every key has a default: a folder with one `access.yaml` is a pack."""

from __future__ import annotations

import re
from dataclasses import replace

from pgerase.errors import Position
from pgerase.rules.basics import NAME, OPTIONAL_VERSION, TABLE
from pgerase.rules.documents import INCLUDE, compose_alone
from pgerase.rules.names_read import NameProblem
from pgerase.rules.pack import AcceptedDoor, Acknowledgement, Adoption, Existing, Mode, PackSettings, Schema, Service
from pgerase.rules.reading import Reading, nearest
from pgerase.rules.shapes import (
    ByKind,
    Choice,
    Definitions,
    Fields,
    ListOf,
    Mapped,
    MappingOf,
    Parsed,
    Record,
    Shape,
    Text,
    defaulted,
    optional,
    required,
)
from pgerase.rules.shapes import Schema as JsonSchema
from pgerase.rules.yaml_nodes import MappingNode, Node, shorten

DEFAULT_PREFIX = "pgerase"
MERGEABLE = frozenset({"schemas", "tables", "acknowledge", "accepted"})
ACKNOWLEDGED_KINDS = (
    "view",
    "materialized_view",
    "function",
    "procedure",
    "trigger",
    "foreign_key",
    "policy",
    "publication",
    "subscription",
    "role",
    "dump_role",
    "job",
    "rule",
    "masked_table",
    "secured_table",
)
"""Kinds of objects that `plan` may list as answering differently."""
HASHED_KINDS = ("function",)
"""Kinds of which code is acknowledged that erasing runs."""
DOOR_KINDS = (
    "table",
    "grant",
    "superuser",
    "bypassrls",
    "createrole",
    "replication",
    "owner",
    "member",
    "role",
    "setting",
    "view",
    "materialized_view",
    "function",
    "procedure",
    "trigger",
    "foreign_key",
    "policy",
    "publication",
    "subscription",
    "rule",
    "search_path",
    "immutable",
    "leakproof",
    "unique_oracle",
    "foreign_key_oracle",
    "index",
    "server",
)
"""Kinds of ways around row security that `verify` may find."""

# Room for the longest suffix of a role or schema within 63 bytes.
_PREFIX = re.compile(r"[a-z][a-z0-9_]{0,39}")
_RESERVED_PREFIXES = frozenset({"public", "information_schema", "postgres"})
_HASH = r"[0-9a-f]{12,64}"


def _parse_prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text) or text.startswith("pg_") or text in _RESERVED_PREFIXES:
        hint = "lower-case letters, digits and _, a letter first, at most 40; not pg_…, public, postgres"
        raise NameProblem(f"{shorten(text)} cannot begin the names of roles and schemas", hint)
    return text


def _parse_hash(text: str) -> str:
    if not re.fullmatch(_HASH, text):
        raise NameProblem(
            f"{shorten(text)} is no hash", "12 to 64 hex digits in lower case, as pgerase plan prints them"
        )
    return text


_UNGOVERNED = required("ungoverned", Text("the reason"), "Why nothing in this schema is governed.")
_SCHEMA: Shape[Schema] = ByKind(
    'governed, or {ungoverned: "why"}',
    scalar=Mapped(Choice({"governed": True}), lambda governed, at, _: Schema("", governed, "", at)),
    mapping=Record("a schema", (_UNGOVERNED,), lambda fields: Schema("", False, fields[_UNGOVERNED], fields.at)),
)
_READ = required(
    "read",
    ByKind(
        "all, or a list of tables",
        scalar=Mapped(Choice({"all": None}), lambda nothing, at, _: nothing),
        sequence=ListOf(TABLE),
    ),
    "What it reads: all governed tables, or a list of tables.",
)
_REASON = required("reason", Text("the reason"), "Why it reads without being a viewer.")
_SERVICE = Record("a service", (_READ, _REASON), lambda fields: Service("", fields[_READ], fields[_REASON], fields.at))
_APP = defaulted("app", ListOf(NAME), (), "Roles that log in for people.")
_SERVICES = defaulted(
    "services",
    MappingOf(NAME, _SERVICE, what="a mapping from roles to what they read"),
    (),
    "Roles that read without being viewers.",
)
_MIGRATOR = optional(
    "migrator",
    NAME,
    "The role that migrates the schema: its row_security is turned off, so that a blind statement fails. Default: nobody's is.",
)


def _roles(fields: Fields) -> tuple[tuple[str, ...], tuple[Service, ...], str | None]:
    app = fields[_APP]
    if len(set(app)) != len(app):
        fields.reading.error("duplicate-name", "a role is given twice", fields.at_key(_APP))
    services = tuple(replace(service.value, role=service.key, at=service.at) for service in fields[_SERVICES])
    for service in services:
        if service.role in app:
            message = f"{service.role} is both an app role and a service"
            fields.reading.error("duplicate-name", message, service.at, "a service has a login of its own")
    return app, services, fields[_MIGRATOR]


_MODE = defaulted("mode", Choice({mode.value: mode for mode in Mode}), Mode.ON, "How far the table is adopted.")
_EXISTING = defaulted(
    "existing",
    Choice({existing.value: existing for existing in Existing}),
    Existing.REFUSE,
    "What becomes of policies that are on the table already.",
)
_ADOPTION = Record("a table's adoption", (_MODE, _EXISTING), lambda fields: (fields[_MODE], fields[_EXISTING]))
_BECAUSE = required("because", Text("the reason"), "Why, for whoever reads this later.")
_HASH_OF_CODE = Parsed("a hash", _parse_hash, f"^{_HASH}$")


class _Noted(Shape[tuple[str, str, str, Position, str]]):
    """`{kind: name, because: reason}`: one kind's key among several, and the reason; for some kinds a hash of what was looked at."""

    def __init__(self, what: str, kinds: tuple[str, ...], hashed: tuple[str, ...] = ()) -> None:
        self.what = what
        self._kinds = kinds
        self._hashed = hashed

    def read(self, node: Node, reading: Reading) -> tuple[str, str, str, Position, str]:
        if not isinstance(node, MappingNode):
            raise self.mismatch(node, reading)
        given = [entry for entry in node.entries if entry.key.text in self._kinds]
        others = ["because", "hash"] if given and given[0].key.text in self._hashed else ["because"]
        for entry in node.entries:
            if entry not in given and entry.key.text not in others:
                hint = nearest(entry.key.text, [*self._kinds, *others])
                reading.error("unknown-key", f"{self.what} has no key {shorten(entry.key.text)}", entry.key.at, hint)
        if len(given) > 1 or (not given and len(node.entries) <= 1):
            reading.error("one-key", f"{self.what} names one object: {', '.join(self._kinds)}", node.at)
        because = node.get("because")
        if because is None:
            reading.fail("missing-key", f"{self.what} needs the key because", node.at, _BECAUSE.summary)
        reason = _BECAUSE.shape.read(because.value, reading)
        seen = node.get("hash") if "hash" in others else None
        if len(given) != 1 or len(node.entries) != (2 if seen is None else 3):
            reading.fail("one-key", f"{self.what} names one object: {', '.join(self._kinds)}", node.at)
        name = Text("the name of an object").read(given[0].value, reading)
        hash_ = "" if seen is None else _HASH_OF_CODE.read(seen.value, reading)
        return given[0].key.text, name, reason, node.at, hash_

    def schema(self, definitions: Definitions) -> JsonSchema:
        name = Text().schema(definitions)
        reason: JsonSchema = {"because": {"description": _BECAUSE.summary} | name}
        schema: JsonSchema = {
            "type": "object",
            "properties": dict.fromkeys(self._kinds, name) | reason,
            "required": ["because"],
            "minProperties": 2,
            "maxProperties": 2,
            "additionalProperties": False,
        }
        if self._hashed:
            what = "The hash of a function that erasing runs, as pgerase plan prints it."
            schema["properties"]["hash"] = {"description": what} | _HASH_OF_CODE.schema(definitions)
            schema["maxProperties"] = 3
            schema["if"] = {"required": ["hash"]}
            schema["then"] = {"minProperties": 3, "anyOf": [{"required": [kind]} for kind in self._hashed]}
            schema["else"] = {"maxProperties": 2}
        return schema


_NAME = optional("name", Text("a name"), "The pack's name; default: its folder's.")
_PREFIX_KEY = defaulted(
    "prefix",
    Parsed("a prefix", _parse_prefix, r"^[a-z][a-z0-9_]{0,39}$"),
    DEFAULT_PREFIX,
    "What the names of pgerase's roles and schemas begin with here.",
)
_SCHEMAS = defaulted(
    "schemas",
    MappingOf(NAME, _SCHEMA, what="a mapping from schemas to governed or ungoverned"),
    (),
    "Which schemas are governed.",
)
_ROLES = optional("roles", Record("roles", (_APP, _SERVICES, _MIGRATOR), _roles), "Who uses the database.")
_TABLES = defaulted(
    "tables",
    MappingOf(TABLE, _ADOPTION, what="a mapping from tables to how far they are adopted"),
    (),
    "Adoption, table by table.",
)
_ACKNOWLEDGE = defaulted(
    "acknowledge",
    ListOf(_Noted("an acknowledgement", ACKNOWLEDGED_KINDS, HASHED_KINDS), minimum=0),
    (),
    "Objects that will answer differently and, by hash, functions that erasing runs, each after a look.",
)
_ACCEPTED = defaulted(
    "accepted",
    ListOf(_Noted("an accepted door", DOOR_KINDS), minimum=0),
    (),
    "Ways around row security that stay, with the reason.",
)


def _settings(fields: Fields) -> PackSettings:
    app, services, migrator = fields[_ROLES] or ((), (), None)
    return PackSettings(
        name=fields[_NAME] or "",
        prefix=fields[_PREFIX_KEY],
        schemas=tuple(replace(schema.value, name=schema.key, at=schema.at) for schema in fields[_SCHEMAS]),
        app=app,
        services=services,
        migrator=migrator,
        tables=tuple(Adoption(table.key, table.value[0], table.value[1], table.at) for table in fields[_TABLES]),
        acknowledged=tuple(Acknowledgement(*noted) for noted in fields[_ACKNOWLEDGE]),
        accepted=tuple(AcceptedDoor(*noted[:4]) for noted in fields[_ACCEPTED]),
        at=fields.at,
        roles_at=None if fields[_ROLES] is None else fields.at_key(_ROLES),
    )


PACK = Record(
    "pack.yaml",
    (OPTIONAL_VERSION, INCLUDE, _NAME, _PREFIX_KEY, _SCHEMAS, _ROLES, _TABLES, _ACKNOWLEDGE, _ACCEPTED),
    _settings,
)


def default_settings(name: str) -> PackSettings:
    """The settings of a pack without a `pack.yaml`."""
    return PackSettings(name, DEFAULT_PREFIX, (), (), (), None, (), (), (), Position("pack.yaml", 1, 1))


def read_pack_settings(text: str, file: str = "pack.yaml", *, name: str = "pack") -> PackSettings:
    """The settings in a `pack.yaml` given as text; `name` is the default name. Raises RuleFileError with every finding."""
    reading = Reading()
    root = compose_alone(text, file, reading)
    settings = None if root is None else read_settings_node(root, name, reading)
    reading.finish()
    assert settings is not None
    return settings


def read_settings_node(root: MappingNode, name: str, reading: Reading) -> PackSettings | None:
    """As read_pack_settings, from a root node; None where something was reported."""
    settings = reading.attempt(lambda: PACK.read(root, reading))
    return None if settings is None else replace(settings, name=settings.name or name)
