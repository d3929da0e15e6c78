"""What is there already: roles, schemas, ledger and routines of one prefix, as frozen values. Reads only, judges nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pgerase import resources
from pgerase.database import Database, Row, identifier
from pgerase.errors import DatabaseFailed, Refused
from pgerase.install.borrow import NOT_ALLOWED
from pgerase.install.names import Home, Names

LEDGER_TABLES = (
    "outbox",
    "support_ticket",
    "support_grant",
    "signing_key",
    "erased_person",
    "request_count",
    "request_person",
    "request",
    "applied_rules",
    "applied_object",
    "apply_run",
    "installation",
    "routine",
    "migration",
)
"""In the order they can be dropped."""
LOG_TABLES = ("checkpoint", "segment", "held_value", "held", "hold", "run", "leaf", "value", "entry", "record", "class")
"""Those of the log, without their partitions, in the order they can be dropped."""
KEY_MASK = "key_mask"
"""The materialized view beside the ledger's tables."""
LOG_SEQUENCES = (
    "entry_entry_id_seq",
    "class_number_seq",
    "record_record_id_seq",
    "run_run_id_seq",
    "hold_hold_id_seq",
)
"""What a dump of the log reads besides."""
OWN_KINDS = ("table", "materialized view")


@dataclass(frozen=True, slots=True)
class RoleState:
    """A role as it is. `powers` are attributes none of ours has: login, superuser, …"""

    name: str
    comment: str
    powers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MembershipState:
    """A membership in, or of, one of our roles. `usable` where it lets the member inherit or set."""

    role: str
    member: str
    grantor: str
    admin: bool
    usable: bool


@dataclass(frozen=True, slots=True)
class SchemaState:
    """A schema as it is."""

    name: str
    owner: str
    comment: str


@dataclass(frozen=True, slots=True)
class RoutineState:
    """A function of ours: what the server says it is, and who else has privileges on it ('' is PUBLIC)."""

    home: Home
    name: str
    arguments: str
    deparsed: str
    grantees: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ObjectState:
    """Something in one of the schemas, as pg_identify_object names it."""

    kind: str
    identity: str
    schema: str


@dataclass(frozen=True, slots=True)
class RecordedRoutine:
    """What the ledger says of a routine."""

    home: Home
    name: str
    source: str
    checksum: str
    deparsed: str


@dataclass(frozen=True, slots=True)
class Installation:
    """What the ledger says is installed."""

    version: str
    identity: str
    installer: str
    claim: str | None = None
    """The claim that names the viewer, where `identity` is claims."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the ledger says; `governed` counts what apply made and has not taken back. Empty where there is none yet."""

    exists: bool
    migrations: Mapping[int, tuple[str, str]]
    """Version to name and checksum."""
    routines: Mapping[tuple[Home, str], RecordedRoutine]
    installation: Installation | None
    governed: int


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything install, upgrade and uninstall decide by."""

    database: str
    installer: str
    superuser: bool
    createrole: bool
    can_create: bool
    server_version: int
    roles: Mapping[str, RoleState]
    memberships: tuple[MembershipState, ...]
    schemas: Mapping[str, SchemaState]
    """The prefix's own, and any whose name differs from the prefix in case only."""
    objects: tuple[ObjectState, ...]
    routines: tuple[RoutineState, ...]
    privileges: frozenset[tuple[str, str | None, str, str]]
    """(schema, table or None for the schema itself, privilege, grantee) given by name to the installer or our roles."""
    ledger: Ledger
    detached: tuple[str, ...]
    """Tables that were partitions of the log, and are none any more."""

    def owns_role(self, name: str, names: Names) -> bool:
        """Whether the role exists and belongs to this prefix in this database."""
        return name in self.roles and self.roles[name].comment == names.role_comment(self.database)

    def owns_schema(self, name: str, names: Names) -> bool:
        """Whether the schema exists, was made by us and still belongs to our role, which nobody else can give it to."""
        schema = self.schemas.get(name)
        return (
            schema is not None
            and schema.owner == names.owner_of(name)
            and schema.comment == names.schema_comment(name)
            and self.owns_role(schema.owner, names)
        )


def installed_prefixes(database: Database) -> tuple[str, ...]:
    """The prefixes that are installed in this database, which the catalog shows to everybody. Raises DatabaseFailed."""
    return tuple(str(row["prefix"]) for row in _read(database, "prefixes"))


def where_installed(database: Database) -> str:
    """What to do where a prefix was named that is not installed here, as a hint. Raises DatabaseFailed."""
    others = installed_prefixes(database)
    if not others:
        return "run `pgerase install`"
    return f"{said_installed(others)}; name {'it' if len(others) == 1 else 'one'} with --prefix, or as `prefix:` in pack.yaml"


def said_installed(prefixes: Sequence[str]) -> str:
    """The beginning of a sentence that names what is installed."""
    return f"installed here {'is' if len(prefixes) == 1 else 'are'} {', '.join(prefixes)}"


def survey(database: Database, names: Names) -> Survey:
    """Look at everything of one prefix; in one transaction, for a consistent answer.

    Raises Refused where the ledger is there but closed to the current role.
    """
    read = partial(_read, database)
    session = read("session")[0]
    schema_names, role_names = list(names.schemas), list(names.roles)
    roles = [
        RoleState(row["name"], row["comment"] or "", tuple(row["powers"])) for row in read("roles", names=role_names)
    ]
    schemas = [
        SchemaState(row["name"], row["owner"], row["comment"] or "")
        for row in read("schemas", names=schema_names, prefix=names.prefix)
    ]
    return Survey(
        database=session["database"],
        installer=session["installer"],
        superuser=session["superuser"],
        createrole=session["createrole"],
        can_create=session["can_create"],
        server_version=database.server_version,
        roles={role.name: role for role in roles},
        memberships=tuple(
            MembershipState(row["role"], row["member"], row["grantor"] or "", row["admin"], row["usable"])
            for row in read("memberships", names=role_names)
        ),
        schemas={schema.name: schema for schema in schemas},
        objects=tuple(
            ObjectState(row["kind"], row["identity"], row["schema"]) for row in read("objects", names=schema_names)
        ),
        routines=read_routines(database, names),
        privileges=frozenset(
            (row["schema"], row["relation"], row["privilege"], row["grantee"])
            for row in read("privileges", names=schema_names, grantees=[session["installer"], *role_names])
        ),
        ledger=_ledger(database, names),
        detached=tuple(row["name"] for row in read("log_detached", schema=names.logs)),
    )


def read_routines(database: Database, names: Names) -> tuple[RoutineState, ...]:
    """The functions in the schemas of hand-written routines as the server sees them."""
    return tuple(
        RoutineState(home, row["name"], row["arguments"], row["deparsed"], tuple(row["grantees"]))
        for home in Home
        for row in _read(database, "routines", schema=names.home(home))
    )


def read_log_sequences(database: Database, names: Names) -> list[tuple[str, str, tuple[str, ...], str, str]]:
    """The log's sequences: name, owner, who else may use it how, as `grantee privilege`, what it draws, and relpersistence."""
    found = _read(database, "sequences", schema=names.logs)
    return [(row["name"], row["owner"], tuple(row["grants"]), row["options"], row["persistence"]) for row in found]


def read_log_parts(database: Database, names: Names) -> list[tuple[str, int, str, str, str, str]]:
    """What is attached below the log's tables: of which, how deep, schema, name, relkind and bounds."""
    found = _read(database, "log_parts", schema=names.logs)
    return [(row["family"], row["level"], row["schema"], row["name"], row["kind"], row["bound"]) for row in found]


def read_log_statistics(database: Database, names: Names) -> list[tuple[str, str, str]]:
    """Extended statistics of the log's tables: of which, schema and name."""
    found = _read(database, "log_statistics", schema=names.logs)
    return [(row["relation"], row["schema"], row["name"]) for row in found]


def read_holds(database: Database, names: Names) -> int:
    """How many legal holds last, where there is a log. Nobody places one until the transaction ends. Raises DatabaseFailed."""
    table = identifier(names.logs, "hold")
    if database.value("select pg_catalog.to_regclass(%s) is null", [table]):
        return 0
    # As place_hold spells it.
    lock = f"holds of {names.prefix}.log"
    database.rows("select pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended(%s, 0))", [lock])
    return int(database.value(f"select pg_catalog.count(*) from {table} as placed where placed.released_at is null"))


def _read(database: Database, file: str, **parameters: object) -> list[Row]:
    return database.rows(resources.read_text("sql", "install", f"{file}.sql"), parameters)


def _ledger(database: Database, names: Names) -> Ledger:
    if not _read(database, "ledger", schema=names.internal):
        return Ledger(exists=False, migrations={}, routines={}, installation=None, governed=0)
    table = {name: identifier(names.internal, name) for name in LEDGER_TABLES}
    try:
        migrations = database.rows(f"select version, name, checksum from {table['migration']}")
        # Before migration 0002 there was one schema with routines, and no column for it.
        routines = database.rows(
            "select coalesce(pg_catalog.to_jsonb(routine) ->> 'home', 'api') as home, name, source, source_sha256, deparsed"
            f" from {table['routine']} as routine"
        )
        # Before migration 0003 there were no claims.
        installations = database.rows(
            "select version, identity, installer, pg_catalog.to_jsonb(installation) ->> 'claim' as claim"
            f" from {table['installation']} as installation"
        )
        governed = database.value(f"select pg_catalog.count(*) from {table['applied_object']}")
    except DatabaseFailed as error:
        if error.sqlstate != NOT_ALLOWED:
            raise
        raise Refused(
            f"the ledger in schema {names.internal} is closed to the current role",
            hint="connect as the role that installed it, or as a superuser",
        ) from error
    return Ledger(
        exists=True,
        migrations={row["version"]: (row["name"], row["checksum"]) for row in migrations},
        routines={
            (Home(row["home"]), row["name"]): RecordedRoutine(
                Home(row["home"]), row["name"], row["source"], row["source_sha256"], row["deparsed"]
            )
            for row in routines
        },
        installation=next(
            (Installation(row["version"], row["identity"], row["installer"], row["claim"]) for row in installations),
            None,
        ),
        governed=governed,
    )
