"""What pgerase keeps account of: a key for every object it makes or changes, and the text an object is made from.

Nothing here knows SQL or a connection.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from typing import assert_never

from pgerase.catalog.model import Name
from pgerase.compile.desired import (
    DesiredFunction,
    DesiredGrant,
    DesiredLogClass,
    DesiredMembership,
    DesiredObject,
    DesiredPolicy,
    DesiredReads,
    DesiredRoleSetting,
    DesiredRowSecurity,
    DesiredTrigger,
    DesiredView,
)
from pgerase.errors import InternalError
from pgerase.render.fragments import quote_identifier


class Kind(StrEnum):
    """Kinds of objects. Replaced and kept policies are others'; roles and schemas are install's, and only looked at."""

    POLICY = "policy"
    ROW_SECURITY = "row_security"
    VIEW = "view"
    FUNCTION = "function"
    TRIGGER = "trigger"
    GRANT = "grant"
    READS = "reads"
    MEMBERSHIP = "membership"
    ROLE_SETTING = "role_setting"
    LOG_CLASS = "log_class"
    REPLACED_POLICY = "replaced_policy"
    KEPT_POLICY = "kept_policy"
    ROLE = "role"
    SCHEMA = "schema"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which object: its kind and its plain names.

    policy, trigger, replaced_policy, kept_policy: schema, table, name. row_security, view: schema, name. function:
    schema, name, argument types. grant: what on (table, schema, function), schema, name, column or argument types,
    privilege, grantee. reads: schema, table, role. membership: role, member. role_setting: role, setting. log_class, role, schema: name.
    """

    kind: Kind
    parts: tuple[str, ...]

    @property
    def identity(self) -> str:
        """The object as people read it; with the kind it is unique."""
        match self.kind:
            case Kind.POLICY | Kind.TRIGGER | Kind.REPLACED_POLICY | Kind.KEPT_POLICY:
                schema, table, name = self.parts
                return f"{_quoted(name)} on {_quoted(schema, table)}"
            case Kind.ROW_SECURITY | Kind.VIEW | Kind.ROLE | Kind.SCHEMA | Kind.LOG_CLASS:
                return _quoted(*self.parts)
            case Kind.FUNCTION:
                schema, name, arguments = self.parts
                return f"{_quoted(schema, name)}({arguments})"
            case Kind.GRANT:
                what, schema, name, detail, privilege, grantee = self.parts
                target = _quoted(schema, name) if name else _quoted(schema)
                if what == "function":
                    target = f"{target}({detail})"
                elif detail:
                    privilege = f"{privilege} ({_quoted(detail)})"
                return f"{privilege} on {what} {target} to {_quoted(grantee)}"
            case Kind.READS:
                schema, table, role = self.parts
                return f"{_quoted(role)} of {_quoted(schema, table)}"
            case Kind.MEMBERSHIP:
                role, member = self.parts
                return f"{_quoted(member)} in {_quoted(role)}"
            case Kind.ROLE_SETTING:
                role, setting = self.parts
                return f"{setting} of {_quoted(role)}"
            case _:
                assert_never(self.kind)

    @property
    def table(self) -> Name | None:
        """The application table an object hangs on, where it hangs on one."""
        on_table = (Kind.POLICY, Kind.TRIGGER, Kind.REPLACED_POLICY, Kind.KEPT_POLICY, Kind.ROW_SECURITY, Kind.READS)
        return Name(*self.parts[:2]) if self.kind in on_table else None

    @property
    def live(self) -> Key:
        """The key under which the database shows it: a policy that was kept is a policy."""
        match self.kind:
            case Kind.KEPT_POLICY | Kind.REPLACED_POLICY:
                return Key(Kind.POLICY, self.parts)
            case _:
                return self

    def is_capture(self, prefix: str) -> bool:
        """Whether it is a trigger that writes the audit log."""
        return self.kind is Kind.TRIGGER and self.parts[2].startswith(f"{prefix}_capture_")

    def __str__(self) -> str:
        return f"{self.kind.value.replace('_', ' ')} {self.identity}"


def _quoted(*parts: str) -> str:
    return ".".join(quote_identifier(part) for part in parts)


def key_of(wanted: DesiredObject) -> Key:
    """The key of a desired object. Raises InternalError where a grant's target cannot be read."""
    match wanted:
        case DesiredPolicy() | DesiredTrigger():
            kind = Kind.POLICY if isinstance(wanted, DesiredPolicy) else Kind.TRIGGER
            return Key(kind, (wanted.table.schema, wanted.table.name, wanted.name))
        case DesiredRowSecurity():
            return Key(Kind.ROW_SECURITY, (wanted.table.schema, wanted.table.name))
        case DesiredView():
            return Key(Kind.VIEW, (wanted.name.schema, wanted.name.name))
        case DesiredFunction():
            return Key(Kind.FUNCTION, (wanted.name.schema, wanted.name.name, wanted.arguments))
        case DesiredMembership():
            return Key(Kind.MEMBERSHIP, (wanted.role, wanted.member))
        case DesiredReads():
            return Key(Kind.READS, (wanted.table.schema, wanted.table.name, wanted.role))
        case DesiredRoleSetting():
            return Key(Kind.ROLE_SETTING, (wanted.role, wanted.setting))
        case DesiredLogClass():
            return Key(Kind.LOG_CLASS, (wanted.name,))
        case DesiredGrant():
            return _grant_key(wanted)
        case _:
            assert_never(wanted)


_COLUMNS = re.compile(r"\s*(\w+)\s*\((.*)\)\s*\Z", re.DOTALL)


def single(wanted: DesiredObject) -> tuple[DesiredObject, ...]:
    """A grant on several columns as one grant a column; anything else as it is."""
    if isinstance(wanted, DesiredGrant) and (match := _COLUMNS.match(wanted.privilege)):
        privilege, columns = match.groups()
        return tuple(
            replace(wanted, privilege=f"{privilege} ({quote_identifier(column)})") for column in _names(columns, ",")
        )
    return (wanted,)


def _grant_key(wanted: DesiredGrant) -> Key:
    privilege, target, detail = wanted.privilege.lower(), wanted.target, ""
    if wanted.kind == "function":
        target, bracket, rest = target.partition("(")
        if not bracket:
            raise InternalError(f"a grant on the function {wanted.target} without its arguments")
        detail = rest.rpartition(")")[0]
    elif match := _COLUMNS.match(wanted.privilege):
        privilege, detail = match.group(1).lower(), _names(match.group(2), ",")[0]
    names = _names(target, ".")
    if len(names) != (1 if wanted.kind == "schema" else 2):
        raise InternalError(f"a grant on {wanted.target}, which is no qualified {wanted.kind}")
    schema, name = (names[0], "") if wanted.kind == "schema" else names
    return Key(Kind.GRANT, (wanted.kind, schema, name, detail, privilege, wanted.grantee))


_NAME = re.compile(r'\s*(?:(U&)?"((?:[^"]|"")+)"|([^\s".,()]+))\s*')
_ESCAPED = re.compile(r"\\(?:(\\)|([0-9A-Fa-f]{4}))")


def _names(text: str, separator: str) -> list[str]:
    """Plain names of a list of SQL identifiers. Raises InternalError for anything else."""
    names: list[str] = []
    position = 0
    while True:
        match = _NAME.match(text, position)
        if match is None:
            raise InternalError(f"not a list of names: {text}")
        escaped, quoted, bare = match.groups()
        name = quoted.replace('""', '"') if quoted else bare.lower()
        # Line breaks are spelt out: the compiler moves text about line by line.
        names.append(_ESCAPED.sub(lambda one: one[1] or chr(int(one[2], 16)), name) if escaped else name)
        position = match.end()
        if position == len(text):
            return names
        if text[position] != separator:
            raise InternalError(f"not a list of names: {text}")
        position += 1


def source_sha256(wanted: DesiredObject) -> str:
    """The hash of what an object is made from, whole: two objects of the same hash are made by the same statements."""
    values = {field.name: getattr(wanted, field.name) for field in fields(wanted)}
    return sha256_json([type(wanted).__name__, values])


def sha256_json(value: object) -> str:
    """The SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def canonical(value: object) -> str:
    """JSON that is equal for equal values: sorted keys, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_names_as_lists)


def _names_as_lists(value: object) -> list[str]:
    if isinstance(value, Name):
        return [value.schema, value.name]
    raise InternalError(f"{type(value).__name__} has no canonical JSON")
