"""The SQL that travels with pgerase: numbered migrations and re-creatable routines, with their checksums. Reads files only."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache

from pgerase import resources
from pgerase.errors import InternalError, UsageError
from pgerase.install.names import Home
from pgerase.rules.access import IdentityKind

ROUTINES = {
    # Those that sessions and policies call, in the order they are made: which file, for each way of identifying viewers.
    "presented_viewer": {IdentityKind.SETTING: "presented_viewer_setting", IdentityKind.ROLE: "presented_viewer_role"},
    "current_viewer": {IdentityKind.SETTING: "current_viewer_setting", IdentityKind.ROLE: "current_viewer_role"},
    "become": {IdentityKind.SETTING: "become_setting", IdentityKind.ROLE: "become_role"},
    "forget": {IdentityKind.SETTING: "forget", IdentityKind.ROLE: "forget"},
}

INTERNAL_ROUTINES = {
    # Those that operators call, and helpers of these, in the order they are made: whether the installing role may call it.
    "make_token": False,
    "is_erased": True,
    "is_requested": True,
    "assert_subject": False,
    "assert_open": False,
    "people_status": True,
    "set_people_state": True,
    "open_request": True,
    "close_request": True,
    "take_people": True,
    "plan_people": True,
    "erase_people": True,
    "fail_person": True,
    "retry_people": True,
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
    """A routine and the script that makes it, again and again. `for_installer`: the installing role may call it."""

    home: Home
    name: str
    file: str
    script: str
    checksum: str
    for_installer: bool = False


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
    return (
        *(_routine(Home.API, name, variants[identity]) for name, variants in ROUTINES.items()),
        *(_routine(Home.INTERNAL, name, name, for_installer=allowed) for name, allowed in INTERNAL_ROUTINES.items()),
    )


def _routine(home: Home, name: str, stem: str, *, for_installer: bool = False) -> RoutineSource:
    file = f"{stem}.sql"
    text = resources.read_text("sql", "routines", file)
    return RoutineSource(home, name, file, text, checksum(text), for_installer)
