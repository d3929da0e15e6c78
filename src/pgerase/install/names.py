"""What a prefix names: roles, schemas, the setting. Values only; nothing is looked up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pgerase.errors import UsageError

LONGEST_PREFIX = 40
"""Bytes, so that every name made of it stays below PostgreSQL's 63."""

_PREFIX = re.compile(r"[^\W\d]\w*\Z")


class Home(StrEnum):
    """Which schema a hand-written routine lies in, as the ledger spells it."""

    API = "api"
    INTERNAL = "internal"
    LOG = "log"


@dataclass(frozen=True, slots=True)
class Names:
    """The roles and schemas of one prefix, unquoted.

    A prefix is letters, digits and underscores of any script: it becomes part of a setting's name, and PostgreSQL takes
    nothing else there. Raises UsageError for any other.
    """

    prefix: str

    def __post_init__(self) -> None:
        hint = f"choose letters, digits and underscores, at most {LONGEST_PREFIX} bytes, not starting with pg_"
        if not _PREFIX.match(self.prefix):
            raise UsageError(f"{self.prefix!r} cannot be a prefix", hint=hint)
        if len(self.prefix.encode()) > LONGEST_PREFIX:
            raise UsageError(f"the prefix {self.prefix!r} is longer than {LONGEST_PREFIX} bytes", hint=hint)
        if self.prefix.lower().startswith("pg_"):
            raise UsageError(f"the prefix {self.prefix!r} is reserved for PostgreSQL", hint=hint)

    @property
    def api(self) -> str:
        """The schema of the functions that sessions and policies call."""
        return self.prefix

    @property
    def internal(self) -> str:
        """The schema of the ledger and of the routines that erase by it."""
        return f"{self.prefix}_internal"

    @property
    def lookups(self) -> str:
        """The schema of the lookup views; its owner is the role of the same name."""
        return f"{self.prefix}_lookup"

    @property
    def erasers(self) -> str:
        """The schema of the generated erasing functions; its owner is the role of the same name."""
        return f"{self.prefix}_eraser"

    @property
    def logs(self) -> str:
        """The schema of the audit log and of the routines that write and keep it; its owner is the keeper."""
        return f"{self.prefix}_log"

    @property
    def viewer(self) -> str:
        """The role that policies are for."""
        return f"{self.prefix}_viewer"

    @property
    def lookup(self) -> str:
        """The role that owns the lookup views."""
        return f"{self.prefix}_lookup"

    @property
    def eraser(self) -> str:
        """The role that owns the erasing functions."""
        return f"{self.prefix}_eraser"

    @property
    def secret(self) -> str:
        """The role that owns the ledger and the functions."""
        return f"{self.prefix}_secret"

    @property
    def masker(self) -> str:
        """The role that owns masked views."""
        return f"{self.prefix}_masker"

    @property
    def keeper(self) -> str:
        """The role that owns the audit log, and nothing else."""
        return f"{self.prefix}_keeper"

    @property
    def private(self) -> tuple[str, ...]:
        """The roles nobody may be a member of."""
        return (self.lookup, self.eraser, self.secret, self.masker, self.keeper)

    @property
    def roles(self) -> tuple[str, ...]:
        """Every role, in the order they are made."""
        return (self.viewer, *self.private)

    @property
    def schemas(self) -> tuple[str, ...]:
        """Every schema, in the order they are made."""
        return (self.api, self.internal, self.lookups, self.erasers, self.logs)

    @property
    def lock_key(self) -> str:
        """What install, upgrade and uninstall take an advisory lock on, hashed by hashtextextended(…, 0)."""
        return f"pgerase install {self.prefix}"

    def home(self, home: Home) -> str:
        """The schema of the routines of one home."""
        return {Home.API: self.api, Home.INTERNAL: self.internal, Home.LOG: self.logs}[home]

    def owner_of(self, schema: str) -> str:
        """The role that owns one of the schemas."""
        owners = {self.lookups: self.lookup, self.erasers: self.eraser, self.logs: self.keeper}
        return owners.get(schema, self.secret)

    def role_comment(self, database: str) -> str:
        """What says that a role, which the whole cluster shares, belongs to this prefix in that database."""
        return f"pgerase {self.prefix} for database {database}"

    def schema_comment(self, schema: str) -> str:
        """What a schema is for."""
        purpose = {
            self.api: "functions that sessions and policies call.",
            self.internal: "the ledger; nobody but the installing role looks into it.",
            self.lookups: "views that policies read and nobody can name.",
            self.erasers: "generated functions that erase; only the ledger's routines call them.",
            self.logs: "the audit log; written by its own routines only.",
        }
        return f"pgerase {self.prefix}: {purpose[schema]}"

    @property
    def replacements(self) -> dict[str, str]:
        """From each name as the files under `sql/` spell it to the name here."""
        default = Names("pgerase")
        return dict(zip(default.roles + default.schemas, self.roles + self.schemas, strict=True))
