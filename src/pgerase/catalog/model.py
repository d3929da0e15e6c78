"""The snapshot's values. Names are plain (unquoted) strings; expressions are the server's deparse under an empty search_path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """A schema-qualified name, unquoted."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Role:
    """A role and the attributes that matter to row security. `inherits_from`/`can_set` are transitive role names."""

    name: str
    superuser: bool
    bypassrls: bool
    createrole: bool
    login: bool
    inherit: bool
    settings: tuple[str, ...]
    """`name=value` settings of the role itself and of the role in this database, e.g. row_security=off."""
    comment: str
    replication: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Membership:
    """`member` is a direct member of `role`. Before PostgreSQL 16 `inherit` is the member's attribute and `set` true."""

    role: str
    member: str
    admin: bool
    inherit: bool
    set: bool
    grantor: str


@dataclass(frozen=True, slots=True)
class Constraint:
    """A primary key, unique, check, exclusion or not-null constraint (`kind`: p, u, c, x, n)."""

    name: str
    kind: str
    columns: tuple[str, ...]
    definition: str


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain with what it demands itself. `type` is what it is over, with its modifier; that may be another domain."""

    name: Name
    type: str
    not_null: bool
    checks: tuple[Constraint, ...]
    """In the order in which the server looks at them; in their definitions VALUE stands for the value."""
    owner: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Column:
    """A live column. `type` is format_type's spelling, `base_type` the same with domains resolved and no modifier."""

    name: str
    position: int
    type: str
    base_type: str
    element_type: str | None
    """The element's base type where the column is an array, else None."""
    type_kind: str
    """pg_type.typtype of the base type: b base, e enum, c composite, d domain, r range, m multirange."""
    not_null: bool
    default: str | None
    identity: str
    """'' none, 'a' always, 'd' by default."""
    generated: str
    """'' none, 's' stored, 'v' virtual."""
    collation: str | None
    collation_is_c: bool
    collation_deterministic: bool
    domains: tuple[Domain, ...] = ()
    """The column's domain, the one that is over, and so on inwards; empty where its type is none."""
    may_hold_null: bool = False
    """`not_null`, and rows may have a null all the same: the constraint is not validated, or not enforced on all rows."""

    @property
    def refuses_null(self) -> bool:
        """Whether a null cannot be written, by the column or by a domain."""
        return self.not_null or any(domain.not_null for domain in self.domains)


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key as declared on this table. `actions` are pg_constraint's one-letter codes."""

    name: str
    columns: tuple[str, ...]
    target: Name
    target_columns: tuple[str, ...]
    on_update: str
    on_delete: str
    match: str
    deferrable: bool
    deferred: bool
    validated: bool
    on_delete_columns: tuple[str, ...] = ()
    """The columns that ON DELETE SET NULL or SET DEFAULT names; empty where it names none and means all."""


@dataclass(frozen=True, slots=True)
class LeakyKey:
    """A key of an index that conditions of people cannot use under row security: what they would call is not LEAKPROOF.

    `key` is the column or expression as the server spells it, `type` its type, `operators` the operators of the index that
    are leaky; none for an expression, whose own functions are.
    """

    key: str
    type: str
    operators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Index:
    """An index. `columns` holds None for an expression. `valid` also means ready."""

    name: str
    columns: tuple[str | None, ...]
    key_count: int
    unique: bool
    primary: bool
    valid: bool
    partial: bool
    method: str
    nulls_not_distinct: bool
    definition: str
    leaky: tuple[LeakyKey, ...] = ()
    """The keys, in order, that conditions above row security cannot use."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A user trigger (internal ones are left out)."""

    name: str
    definition: str
    enabled: str
    function: Name
    function_owner: str
    security_definer: bool
    comment: str


@dataclass(frozen=True, slots=True, order=True)
class ExpressionCall:
    """A routine, not the server's own, that an expression of a table calls, by name or by operator.

    `kind` is check, domain, default, generated, index, statistics, partition key, rule, trigger or cast (of a type that is
    somebody's own); `name` what has the expression, or the column. A trigger calls its function and what its condition names.
    """

    kind: str
    name: str
    routine: int
    """The routine's oid."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A row-security policy. `command` is ALL, SELECT, INSERT, UPDATE or DELETE; `roles` holds 'public' for PUBLIC."""

    name: str
    command: str
    permissive: bool
    roles: tuple[str, ...]
    using: str | None
    check: str | None
    comment: str


@dataclass(frozen=True, slots=True, order=True)
class Grant:
    """One privilege on a relation or (column not None) a column. `grantee` is 'public' for PUBLIC."""

    grantee: str
    privilege: str
    grantable: bool
    grantor: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class UserMapping:
    """As whom a role is known to a foreign server. `role` is 'public' for everybody without a mapping of his own."""

    role: str
    logs_in: bool | None
    """Whether it has a password, or needs none; None where the reader of the catalog may not see its options."""


@dataclass(frozen=True, slots=True)
class ForeignServer:
    """The server that a foreign table lies on. `handler` is the wrapper's function, by which its kind is known."""

    name: str
    wrapper: str
    handler: str
    mappings: tuple[UserMapping, ...]

    def mapping(self, role: str) -> UserMapping | None:
        """As whom the server knows a role: by a mapping of its own, else by everybody's."""
        by_role = {mapping.role: mapping for mapping in self.mappings}
        return by_role.get(role, by_role.get("public"))

    @property
    def needs_mapping(self) -> bool:
        """Whether nobody reads from it without a user mapping, as far as can be told."""
        return self.handler == "postgres_fdw_handler" or bool(self.mappings)


@dataclass(frozen=True, slots=True)
class Table:
    """What holds rows outside the system schemas: a table, partitioned table, foreign table or materialized view."""

    oid: int
    name: Name
    kind: str
    """pg_class.relkind: r table, p partitioned, f foreign, m materialized view (which is among the catalog's views as well)."""
    owner: str
    persistence: str
    columns: tuple[Column, ...]
    constraints: tuple[Constraint, ...]
    foreign_keys: tuple[ForeignKey, ...]
    indexes: tuple[Index, ...]
    triggers: tuple[Trigger, ...]
    policies: tuple[Policy, ...]
    grants: tuple[Grant, ...]
    rls_enabled: bool
    rls_forced: bool
    parents: tuple[Name, ...]
    """Direct parents, by partitioning or legacy inheritance."""
    is_partition: bool
    estimated_rows: float
    comment: str
    extension: str | None = None
    """The extension it belongs to, if any."""
    rewrites: tuple[Name, ...] = ()
    """Relations that its rewrite rules (CREATE RULE) name; those act with the owner's rights. May hold itself. Sorted."""
    calls: tuple[ExpressionCall, ...] = ()
    """What its expressions call. Sorted."""
    rules: tuple[str, ...] = ()
    """Its rewrite rules (CREATE RULE) by name. Sorted."""
    server: ForeignServer | None = None
    """Where a foreign table lies."""

    @property
    def has_row_security(self) -> bool:
        """Whether PostgreSQL can have policies on it: not on foreign tables and materialized views."""
        return self.kind in ("r", "p")

    def column(self, name: str) -> Column | None:
        """The column of that exact name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Columns of the primary key in order; empty where there is none."""
        return next((constraint.columns for constraint in self.constraints if constraint.kind == "p"), ())

    @property
    def key(self) -> tuple[str, ...]:
        """What tells rows apart: the primary key; of a materialized view, which has none, its first unique index over columns."""
        if self.kind != "m":
            return self.primary_key
        unique = (one for one in self.indexes if one.unique and one.valid and not one.partial)
        keys = (one.columns[: one.key_count] for one in unique)
        named = (tuple(column for column in key if column is not None) for key in keys if None not in key)
        return next(named, ())


@dataclass(frozen=True, slots=True)
class View:
    """A view (kind v) or materialized view (kind m)."""

    oid: int
    name: Name
    kind: str
    owner: str
    definition: str
    security_invoker: bool
    security_barrier: bool
    reads: tuple[Name, ...]
    """Every table it reads, through other views as well; sorted."""
    grants: tuple[Grant, ...]
    comment: str
    extension: str | None = None
    direct: tuple[Name, ...] = ()
    """Tables and views its own definition (and its rules) name; sorted."""
    through: tuple[Name, ...] = ()
    """Every other view it reads, through other views as well; sorted."""
    calls: tuple[int, ...] = ()
    """Oids of the routines that it or a view it reads calls; sorted."""


@dataclass(frozen=True, slots=True)
class Routine:
    """A function or procedure outside the system schemas. `identity` is its signature, as in pg_get_function_identity_arguments."""

    oid: int
    name: Name
    identity: str
    owner: str
    language: str
    security_definer: bool
    leakproof: bool
    volatility: str
    settings: tuple[str, ...]
    definition: str
    grants: tuple[Grant, ...]
    is_trigger: bool
    extension: str | None
    comment: str
    reads: tuple[Name, ...] | None = None
    """Tables and views the server knows it to name (SQL-standard bodies only); None where its body is opaque text."""
    calls: tuple[int, ...] = ()
    """Oids of the routines the server knows it to call (SQL-standard bodies only)."""


@dataclass(frozen=True, slots=True)
class SchemaInfo:
    """A schema outside the system's."""

    name: str
    owner: str
    grants: tuple[Grant, ...]
    comment: str
    extension: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class DefaultGrant:
    """A privilege that every table `creator` makes from now on brings along; `schema` None: in whatever schema."""

    creator: str
    schema: str | None
    grantee: str
    privilege: str


@dataclass(frozen=True, slots=True, order=True)
class SessionSetting:
    """A setting that sessions begin with. `role` None: those of every role; `database` None: in every database of the cluster.

    Neither with `server`: it stands in the server's configuration.
    """

    name: str
    value: str
    role: str | None
    database: str | None
    server: bool = False


@dataclass(frozen=True, slots=True, order=True)
class ParameterGrant:
    """The right to set a parameter that others may not: `privilege` is SET, or ALTER SYSTEM for the whole server."""

    parameter: str
    grantee: str
    privilege: str


@dataclass(frozen=True, slots=True)
class Publication:
    """A publication and the tables it carries: leaves, where it carries a partitioned table that way."""

    name: str
    owner: str
    tables: tuple[Name, ...]
    all_tables: bool = False
    schemas: tuple[str, ...] = ()
    """Schemas that it carries whole."""
    named: tuple[Name, ...] = ()
    """Tables that it was made with, or was given, by name."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription and the tables it writes."""

    name: str
    owner: str
    tables: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything pgerase knows about a database, read in one REPEATABLE READ READ ONLY transaction."""

    server_version: int
    """server_version_num, e.g. 180006."""
    database: str
    current_user: str
    schemas: Mapping[str, SchemaInfo]
    tables: Mapping[Name, Table]
    views: Mapping[Name, View]
    routines: tuple[Routine, ...]
    roles: Mapping[str, Role]
    memberships: tuple[Membership, ...]
    publications: tuple[Publication, ...]
    subscriptions: tuple[Subscription, ...]
    owner: str = ""
    """The database's owner: a member of pg_database_owner without being listed in `memberships`."""
    default_grants: tuple[DefaultGrant, ...] = ()
    """What ALTER DEFAULT PRIVILEGES gives others than the creator on new tables. Sorted."""
    session_settings: tuple[SessionSetting, ...] = ()
    """What ALTER ROLE, ALTER DATABASE and the server's configuration set, as far as it is looked at."""
    parameter_grants: tuple[ParameterGrant, ...] = ()
    """What GRANT … ON PARAMETER gives. Sorted."""

    def leaves(self, name: Name) -> tuple[Name, ...]:
        """Every partition or inheriting child of a table, however deep, in name order; without the table itself."""
        found: set[Name] = set()
        frontier = {name}
        while frontier:
            frontier = {table.name for table in self.tables.values() if frontier & set(table.parents)} - found
            found |= frontier
        return tuple(sorted(found))
