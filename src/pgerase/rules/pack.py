"""`pack.yaml` as typed frozen values, and the pack: a folder's rule files together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pgerase.errors import Position
from pgerase.rules.names import TableName

if TYPE_CHECKING:
    from pgerase.rules.access import AccessRules, IdentityKind
    from pgerase.rules.audit import AuditRules
    from pgerase.rules.data_map import DataMap


class Mode(StrEnum):
    """How far a table has been adopted."""

    OFF = "off"
    SHADOW = "shadow"
    ON = "on"


class Existing(StrEnum):
    """What becomes of policies that were on a table before pgerase."""

    REFUSE = "refuse"
    REPLACE = "replace"
    FENCE = "fence"


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema named by the pack: governed, or ungoverned with the reason."""

    name: str
    governed: bool
    reason: str
    at: Position


@dataclass(frozen=True, slots=True)
class Service:
    """A role that reads without being a viewer. `tables` None means all governed tables."""

    role: str
    tables: tuple[TableName, ...] | None
    reason: str
    at: Position


@dataclass(frozen=True, slots=True)
class Adoption:
    """One table's mode, and what to do with policies already there."""

    table: TableName
    mode: Mode
    existing: Existing
    at: Position


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """An object that will answer differently, looked at. `kind` is the key used in the file (view, function, role, …).

    A function with `hash` is code that erasing runs, as it was when somebody looked: the first hex digits of its hash, in lower case.
    """

    kind: str
    name: str
    because: str
    at: Position
    hash: str = ""


@dataclass(frozen=True, slots=True)
class AcceptedDoor:
    """A way around row security that stays, with the reason. `kind` is the key used in the file (superuser, owner, …)."""

    kind: str
    name: str
    because: str
    at: Position


@dataclass(frozen=True, slots=True)
class PackSettings:
    """A whole `pack.yaml`; every field has a default. `app` empty means the connecting login; `migrator` None nobody.

    `roles_at` is where `roles:` stands, None without it.
    """

    name: str
    prefix: str
    schemas: tuple[Schema, ...]
    app: tuple[str, ...]
    services: tuple[Service, ...]
    migrator: str | None
    tables: tuple[Adoption, ...]
    acknowledged: tuple[Acknowledgement, ...]
    accepted: tuple[AcceptedDoor, ...]
    at: Position
    roles_at: Position | None = None


@dataclass(frozen=True, slots=True)
class Pack:
    """A folder with `pack.yaml` and any of the other rule files, read and typed, not yet bound to a database."""

    folder: str
    settings: PackSettings
    access: AccessRules | None
    data_map: DataMap | None
    audit: AuditRules | None
    files: tuple[tuple[str, str], ...]
    """(path relative to the folder, sha256 of its bytes) of every file read, sorted: what a plan was made from."""

    @property
    def name(self) -> str:
        """The pack's name: `name:` of pack.yaml, else the folder's."""
        return self.settings.name

    @property
    def identity(self) -> IdentityKind | None:
        """How viewers are identified; None without viewers."""
        viewers = self.access.viewers if self.access is not None else None
        return viewers.identity.kind if viewers is not None else None

    @property
    def claim(self) -> str:
        """The claim that names the viewer, where viewers are identified by claims; "sub" otherwise."""
        viewers = self.access.viewers if self.access is not None else None
        return viewers.identity.claim if viewers is not None else "sub"
