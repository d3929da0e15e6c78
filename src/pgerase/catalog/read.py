"""Reads the snapshot: one query a kind, put together here. It changes nothing and decides nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from pgerase import resources
from pgerase.catalog.model import (
    Catalog,
    Column,
    Constraint,
    DefaultGrant,
    Domain,
    ExpressionCall,
    ForeignKey,
    ForeignServer,
    Grant,
    Index,
    LeakyKey,
    Membership,
    Name,
    ParameterGrant,
    Policy,
    Publication,
    Role,
    Routine,
    SchemaInfo,
    SessionSetting,
    Subscription,
    Table,
    Trigger,
    UserMapping,
    View,
)
from pgerase.catalog.session import stable_deparse
from pgerase.database import Database

_Row: TypeAlias = Mapping[str, Any]
_ByOid: TypeAlias = Mapping[int, list[_Row]]


def read_catalog(database: Database) -> Catalog:
    """Everything pgerase knows about the database, as of one moment, whatever the session's search_path or other settings.

    Opens a REPEATABLE READ READ ONLY transaction. Where one is open already it reads inside that one, so that callers who
    hold locks or a snapshot see what they are about to act on; in READ COMMITTED without locks that is no single moment.
    Raises DatabaseFailed.
    """
    if database.in_transaction:
        with stable_deparse(database):
            return _read(database)
    with database.transaction(isolation="repeatable read", read_only=True), stable_deparse(database):
        return _read(database)


def read_session_settings(database: Database) -> tuple[SessionSetting, ...]:
    """What sessions of this database begin with. Raises DatabaseFailed."""
    return tuple(SessionSetting(**row) for row in _rows(database, "session_settings"))


def read_parameter_grants(database: Database) -> tuple[ParameterGrant, ...]:
    """Who may set what superusers alone may set otherwise. Raises DatabaseFailed."""
    return tuple(ParameterGrant(**row) for row in _rows(database, "parameter_grants"))


def _rows(database: Database, kind: str) -> list[_Row]:
    return list(database.rows(resources.read_text("sql", "catalog", f"{kind}.sql")))


def _read(database: Database) -> Catalog:
    """Run every query and assemble the answers, which come sorted."""

    def rows(kind: str) -> list[_Row]:
        return _rows(database, kind)

    about = rows("database")[0]
    relation_grants = _grouped(rows("relation_grants"), "relation_oid")
    table_rows = rows("tables")
    view_rows = rows("views")
    names = {row["oid"]: Name(row["schema"], row["name"]) for row in (*table_rows, *view_rows)}
    # What a view over a materialized view reads is what that one was filled from.
    table_oids = {row["oid"] for row in table_rows if row["kind"] != "m"}
    rewrites = _grouped(rows("rewrite_reads"), "relation_oid")
    return Catalog(
        server_version=about["server_version"],
        database=about["database"],
        current_user=about["user"],
        schemas=_schemas(rows("schemas"), rows("schema_grants")),
        tables=_Tables(
            names=names,
            columns=_grouped(rows("columns"), "table_oid"),
            constraints=_grouped(rows("constraints"), "table_oid"),
            foreign_keys=_grouped(rows("foreign_keys"), "table_oid"),
            indexes=_grouped(rows("indexes"), "table_oid"),
            triggers=_grouped(rows("triggers"), "table_oid"),
            policies=_grouped(rows("policies"), "table_oid"),
            parents=_grouped(rows("inheritance"), "child"),
            grants=relation_grants,
            rewrites=rewrites,
            calls=_grouped(rows("expression_calls"), "table_oid"),
            domains={row["oid"]: row for row in rows("domains")},
            servers=_grouped(rows("foreign_servers"), "table_oid"),
        ).assemble(table_rows),
        views=_views(view_rows, names, table_oids, rewrites, relation_grants),
        routines=_routines(rows("routines"), rows("routine_reads"), rows("routine_grants"), names),
        roles=MappingProxyType({row["name"]: _role(row) for row in rows("roles")}),
        memberships=tuple(Membership(**row) for row in rows("memberships")),
        publications=_publications(rows("publications")),
        subscriptions=tuple(
            Subscription(name, owner, tables) for name, owner, tables in _replicated(rows("subscriptions"))
        ),
        owner=about["owner"],
        default_grants=tuple(DefaultGrant(**row) for row in rows("default_grants")),
        session_settings=read_session_settings(database),
        parameter_grants=read_parameter_grants(database),
    )


def _grouped(rows: Iterable[_Row], key: str) -> _ByOid:
    """Rows by the value of one column, order kept."""
    groups: defaultdict[int, list[_Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return groups


def _grants(rows: Iterable[_Row]) -> tuple[Grant, ...]:
    return tuple(
        Grant(row["grantee"], row["privilege"], row["grantable"], row["grantor"], row.get("column")) for row in rows
    )


def _schemas(rows: list[_Row], grants: list[_Row]) -> Mapping[str, SchemaInfo]:
    by_schema: defaultdict[str, list[_Row]] = defaultdict(list)
    for row in grants:
        by_schema[row["schema"]].append(row)
    return MappingProxyType(
        {
            row["name"]: SchemaInfo(
                row["name"], row["owner"], _grants(by_schema[row["name"]]), row["comment"], row["extension"]
            )
            for row in rows
        }
    )


class _Tables:
    """Puts tables together from rows grouped by table oid."""

    def __init__(
        self,
        *,
        names: Mapping[int, Name],
        columns: _ByOid,
        constraints: _ByOid,
        foreign_keys: _ByOid,
        indexes: _ByOid,
        triggers: _ByOid,
        policies: _ByOid,
        parents: _ByOid,
        grants: _ByOid,
        rewrites: _ByOid,
        calls: _ByOid,
        domains: Mapping[int, _Row],
        servers: _ByOid,
    ) -> None:
        self._names = names
        self._columns = columns
        self._constraints = constraints
        self._foreign_keys = foreign_keys
        self._indexes = indexes
        self._triggers = triggers
        self._policies = policies
        self._parents = parents
        self._grants = grants
        self._rewrites = rewrites
        self._calls = calls
        self._domains = domains
        self._servers = servers
        self._column_names = {
            oid: {row["position"]: row["name"] for row in table_rows} for oid, table_rows in columns.items()
        }

    def assemble(self, rows: Iterable[_Row]) -> Mapping[Name, Table]:
        """All tables by name, in the order of the rows."""
        return MappingProxyType({self._names[row["oid"]]: self._table(row) for row in rows})

    def _table(self, row: _Row) -> Table:
        oid = row["oid"]
        return Table(
            oid=oid,
            name=self._names[oid],
            kind=row["kind"],
            owner=row["owner"],
            persistence=row["persistence"],
            columns=tuple(self._column(column) for column in self._columns.get(oid, ())),
            constraints=tuple(
                Constraint(key["name"], key["kind"], self._named(oid, key["positions"]), key["definition"])
                for key in self._constraints.get(oid, ())
            ),
            foreign_keys=tuple(self._foreign_key(oid, key) for key in self._foreign_keys.get(oid, ())),
            indexes=tuple(self._index(oid, index) for index in self._indexes.get(oid, ())),
            triggers=tuple(_trigger(trigger) for trigger in self._triggers.get(oid, ())),
            policies=tuple(_policy(policy) for policy in self._policies.get(oid, ())),
            grants=_grants(self._grants.get(oid, ())),
            rls_enabled=row["rls_enabled"],
            rls_forced=row["rls_forced"],
            parents=tuple(self._names[link["parent"]] for link in self._parents.get(oid, ())),
            is_partition=row["is_partition"],
            estimated_rows=row["estimated_rows"],
            comment=row["comment"],
            extension=row["extension"],
            # The rule that is a materialized view's definition is no rule of a table.
            rewrites=() if row["kind"] == "m" else _named_relations(self._rewrites.get(oid, ()), self._names),
            rules=tuple(row["rules"]),
            calls=tuple(
                ExpressionCall(call["kind"], call["name"], call["routine_oid"]) for call in self._calls.get(oid, ())
            ),
            server=_server(self._servers.get(oid, ())),
        )

    def _column(self, row: _Row) -> Column:
        own = {name: value for name, value in row.items() if name not in ("table_oid", "type_oid")}
        return Column(**own, domains=tuple(self._domains_of(row["type_oid"])))

    def _domains_of(self, type_oid: int) -> Iterable[Domain]:
        """A domain and those it is over, inwards; nothing for another type."""
        while (row := self._domains.get(type_oid)) is not None:
            checks = zip(row["check_names"], row["check_definitions"], strict=True)
            yield Domain(
                name=Name(row["schema"], row["name"]),
                type=row["type"],
                not_null=row["not_null"],
                checks=tuple(Constraint(name, "c", (), definition) for name, definition in checks),
                owner=row["owner"],
            )
            type_oid = row["base_oid"]

    def _named(self, oid: int, positions: Iterable[int]) -> tuple[str, ...]:
        """Column names in order, without expressions (position 0)."""
        names = self._column_names[oid]
        return tuple(names[position] for position in positions if position > 0)

    def _foreign_key(self, oid: int, row: _Row) -> ForeignKey:
        return ForeignKey(
            name=row["name"],
            columns=self._named(oid, row["positions"]),
            target=self._names[row["target_oid"]],
            target_columns=self._named(row["target_oid"], row["target_positions"]),
            on_update=row["on_update"],
            on_delete=row["on_delete"],
            match=row["match"],
            deferrable=row["deferrable"],
            deferred=row["deferred"],
            validated=row["validated"],
            on_delete_columns=self._named(oid, row["set_positions"]),
        )

    def _index(self, oid: int, row: _Row) -> Index:
        names = self._column_names[oid]
        return Index(
            name=row["name"],
            columns=tuple(names.get(position) for position in row["positions"]),
            key_count=row["key_count"],
            unique=row["unique"],
            primary=row["primary"],
            valid=row["valid"],
            partial=row["partial"],
            method=row["method"],
            nulls_not_distinct=row["nulls_not_distinct"],
            definition=row["definition"],
            leaky=tuple(
                LeakyKey(key, kind, tuple(operators.split()))
                for key, kind, operators in zip(
                    row["leaky_keys"], row["leaky_types"], row["leaky_operators"], strict=True
                )
            ),
        )


def _trigger(row: _Row) -> Trigger:
    return Trigger(
        name=row["name"],
        definition=row["definition"],
        enabled=row["enabled"],
        function=Name(row["function_schema"], row["function_name"]),
        function_owner=row["function_owner"],
        security_definer=row["security_definer"],
        comment=row["comment"],
    )


def _server(rows: Sequence[_Row]) -> ForeignServer | None:
    """A foreign table's server, from one row a user mapping."""
    if not rows:
        return None
    mappings = (UserMapping(row["mapped"], row["logs_in"]) for row in rows if row["mapped"] is not None)
    return ForeignServer(rows[0]["server"], rows[0]["wrapper"], rows[0]["handler"], tuple(mappings))


def _policy(row: _Row) -> Policy:
    return Policy(
        name=row["name"],
        command=row["command"],
        permissive=row["permissive"],
        roles=tuple(row["roles"]),
        using=row["using"],
        check=row["check"],
        comment=row["comment"],
    )


def _named_relations(links: Iterable[_Row], names: Mapping[int, Name]) -> tuple[Name, ...]:
    """Tables and views among what rewrite rules or routines name; system relations and sequences drop out."""
    targets = (link["target_oid"] for link in links if link["kind"] == "relation")
    return tuple(sorted({names[target] for target in targets if target in names}))


def _views(
    rows: list[_Row], names: Mapping[int, Name], table_oids: set[int], rewrites: _ByOid, grants: _ByOid
) -> Mapping[Name, View]:
    """Views by name, with what they read followed through other views (a chain of definitions has no cycle, a rule may)."""
    view_oids = {row["oid"] for row in rows}
    views: dict[Name, View] = {}
    for row in rows:
        oid = row["oid"]
        tables: set[Name] = set()
        calls: set[int] = set()
        seen = {oid}
        frontier = [oid]
        while frontier:
            for link in rewrites.get(frontier.pop(), ()):
                target = link["target_oid"]
                if link["kind"] == "routine":
                    calls.add(target)
                elif target in table_oids:
                    tables.add(names[target])
                elif target in view_oids and target not in seen:
                    seen.add(target)
                    frontier.append(target)
        views[names[oid]] = View(
            oid=oid,
            name=names[oid],
            kind=row["kind"],
            owner=row["owner"],
            definition=row["definition"],
            security_invoker=row["security_invoker"],
            security_barrier=row["security_barrier"],
            reads=tuple(sorted(tables)),
            grants=_grants(grants.get(oid, ())),
            comment=row["comment"],
            extension=row["extension"],
            # Before 16 a view's rule names the view itself as well, for OLD and NEW.
            direct=tuple(name for name in _named_relations(rewrites.get(oid, ()), names) if name != names[oid]),
            through=tuple(sorted(names[other] for other in seen - {oid})),
            calls=tuple(sorted(calls)),
        )
    return MappingProxyType(views)


def _routines(
    rows: list[_Row], reads: list[_Row], grants: list[_Row], names: Mapping[int, Name]
) -> tuple[Routine, ...]:
    by_routine = _grouped(reads, "routine_oid")
    granted = _grouped(grants, "routine_oid")
    return tuple(
        Routine(
            oid=row["oid"],
            name=Name(row["schema"], row["name"]),
            identity=row["identity"],
            owner=row["owner"],
            language=row["language"],
            security_definer=row["security_definer"],
            leakproof=row["leakproof"],
            volatility=row["volatility"],
            settings=tuple(row["settings"]),
            definition=row["definition"],
            grants=_grants(granted.get(row["oid"], ())),
            is_trigger=row["is_trigger"],
            extension=row["extension"],
            comment=row["comment"],
            reads=None if row["is_opaque"] else _named_relations(by_routine.get(row["oid"], ()), names),
            calls=tuple(link["target_oid"] for link in by_routine.get(row["oid"], ()) if link["kind"] == "routine"),
        )
        for row in rows
    )


def _role(row: _Row) -> Role:
    return Role(
        name=row["name"],
        superuser=row["superuser"],
        bypassrls=row["bypassrls"],
        createrole=row["createrole"],
        login=row["login"],
        inherit=row["inherit"],
        settings=tuple(row["settings"]),
        comment=row["comment"],
        replication=row["replication"],
    )


def _publications(rows: list[_Row]) -> tuple[Publication, ...]:
    about = {row["name"]: row for row in rows}
    return tuple(
        Publication(
            name,
            owner,
            tables,
            about[name]["all_tables"],
            tuple(about[name]["schemas"]),
            tuple(map(Name, about[name]["named_schemas"], about[name]["named_tables"])),
        )
        for name, owner, tables in _replicated(rows)
    )


def _replicated(rows: Iterable[_Row]) -> list[tuple[str, str, tuple[Name, ...]]]:
    """(name, owner, tables) of publications or subscriptions; one that carries nothing has one row without a table."""
    found: dict[tuple[str, str], list[Name]] = {}
    for row in rows:
        tables = found.setdefault((row["name"], row["owner"]), [])
        if row["table"] is not None:
            tables.append(Name(row["schema"], row["table"]))
    return [(name, owner, tuple(tables)) for (name, owner), tables in found.items()]
