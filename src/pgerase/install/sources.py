"""The SQL that travels with pgerase: numbered migrations and re-creatable routines, with their checksums. Reads files only."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache

from pgerase import resources
from pgerase.errors import InternalError, UsageError
from pgerase.rules.access import IdentityKind

ROUTINES = {
    # In the order they are made. The second value says which file, for each way of identifying viewers.
    "presented_viewer": {IdentityKind.SETTING: "presented_viewer_setting", IdentityKind.ROLE: "presented_viewer_role"},
    "current_viewer": {IdentityKind.SETTING: "current_viewer_setting", IdentityKind.ROLE: "current_viewer_role"},
    "become": {IdentityKind.SETTING: "become_setting", IdentityKind.ROLE: "become_role"},
    "forget": {IdentityKind.SETTING: "forget", IdentityKind.ROLE: "forget"},
}

_MIGRATION = re.compile(r"(?P<version>\d{4})_(?P<name>\w+)\.sql\Z")


@dataclass(frozen=True, slots=True)
class Migration:
    """A script that runs once. Once released its file never changes: the ledger knows its checksum."""

    version: int
    name: str
    script: str
    checksum: str


@dataclass(frozen=True, slots=True)
class RoutineSource:
    """A routine of the API schema and the script that makes it, again and again."""

    name: str
    file: str
    script: str
    checksum: str


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything one version of pgerase installs for one identity kind, written for the default prefix."""

    migrations: tuple[Migration, ...]
    routines: tuple[RoutineSource, ...]


@cache
def read_sources(identity: IdentityKind) -> Sources:
    """What this version installs. Raises UsageError for an identity kind the runtime does not know yet."""
    if identity not in (IdentityKind.SETTING, IdentityKind.ROLE):
        raise UsageError(
            f"viewers.identity {identity} cannot be installed by this version",
            hint=f"use {IdentityKind.SETTING} or {IdentityKind.ROLE}",
        )
    return Sources(migrations=_migrations(), routines=_routines(identity))


def checksum(text: str) -> str:
    """SHA-256 of a file's text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def _migrations() -> tuple[Migration, ...]:
    found: list[Migration] = []
    for path in sorted(resources.folder("sql").joinpath("migrations").glob("*.sql")):
        match = _MIGRATION.match(path.name)
        if match is None:
            raise InternalError(f"sql/migrations/{path.name} is not named like 0001_what.sql")
        text = resources.read_text("sql", "migrations", path.name)
        found.append(Migration(int(match["version"]), match["name"], text, checksum(text)))
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise InternalError("sql/migrations are not numbered one after the other")
    return tuple(found)


def _routines(identity: IdentityKind) -> tuple[RoutineSource, ...]:
    found: list[RoutineSource] = []
    for name, variants in ROUTINES.items():
        file = f"{variants[identity]}.sql"
        text = resources.read_text("sql", "routines", file)
        found.append(RoutineSource(name, file, text, checksum(text)))
    return tuple(found)
