"""Reads the ledger, and the live state of everything it could hold, in one snapshot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pgerase import resources
from pgerase.catalog.model import Catalog, Name
from pgerase.catalog.read import read_catalog
from pgerase.catalog.session import stable_deparse
from pgerase.database import Database, identifier
from pgerase.errors import DatabaseFailed, Finding, Refused
from pgerase.install.localize import localize
from pgerase.install.names import Home, Names
from pgerase.install.survey import (
    KEY_MASK,
    installed_prefixes,
    read_log_parts,
    read_log_sequences,
    read_log_statistics,
    read_routines,
    where_installed,
)
from pgerase.plan.drift import Installed, find_drift
from pgerase.plan.log_drift import LogGap, LogPart, LogSequence, missing_classes, missing_parts
from pgerase.plan.log_shape import LogShape, LogShapes
from pgerase.plan.model import Ledger, Recorded, decoded
from pgerase.plan.objects import Key, Kind, canonical
from pgerase.render.live import live_objects, log_classes

_NOT_ALLOWED = "42501"
_ASKED = ("gaps", "partitions", "detached", "unattached", "next_boundary", "named_day")
"""The routine of the log that knows its gaps, and those that it calls."""


def read_state(database: Database, prefix: str) -> tuple[Catalog, Ledger]:
    """Catalog and ledger as of one moment; inside an open transaction as that one sees them.

    Raises Refused where pgerase is not installed for this prefix or its ledger may not be read, DatabaseFailed otherwise.
    """
    if database.in_transaction:
        return read_catalog(database), read_ledger(database, prefix)
    with database.transaction(isolation="repeatable read", read_only=True):
        return read_catalog(database), read_ledger(database, prefix)


def read_ledger(database: Database, prefix: str) -> Ledger:
    """The ledger of a prefix, inside an open transaction. Raises Refused and DatabaseFailed as `read_state`."""
    internal = f"{prefix}_internal"
    # Before anything fails: afterwards nothing can be asked any more in this transaction.
    if prefix not in installed_prefixes(database):
        raise Refused(f"pgerase is not installed here for the prefix {prefix}", hint=where_installed(database))
    try:
        recorded = database.rows(
            f"select kind, identity, source_sha256, deparsed, undo::text from {identifier(internal, 'applied_object')}"
            " order by kind, identity"
        )
        last = database.value(f"select coalesce(max(apply_id), 0) from {identifier(internal, 'apply_run')}")
        rules = _read_rules(database, internal)
    except DatabaseFailed as error:
        if error.sqlstate == _NOT_ALLOWED:
            raise Refused(
                f"the ledger of {prefix} may not be read by this role: {error.message}",
                hint="Connect as the role that installed pgerase; `pgerase install` as another role gives it the right.",
            ) from error
        raise
    log = _is_readable(database, log_classes(prefix))
    with stable_deparse(database):
        live = database.rows(f"select kind, parts, state::text as state from ({live_objects(prefix, log=log)}) as live")
    rows = [_recorded(row) for row in recorded]
    return Ledger(
        rows={row.key: row for row in rows},
        live={Key(Kind(row["kind"]), tuple(row["parts"])): row["state"] for row in live},
        last_run=int(last),
        rules=rules,
    )


def _read_rules(database: Database, internal: str) -> str | None:
    """The rules in force. None before migration 0005, or before the installing role may read it, which upgrade sees to."""
    table = identifier(internal, "applied_rules")
    if not _is_readable(database, Name(internal, "applied_rules")):
        return None
    return str(database.value(f"select coalesce((select rules from {table}), '')"))


def _is_readable(database: Database, table: Name) -> bool:
    """Whether the table is there, and may be read by this role."""
    named = identifier(table.schema, table.name)
    found = database.value("select pg_catalog.has_table_privilege(pg_catalog.to_regclass(%s), 'SELECT')", [named])
    return bool(found)


def find_prefix(database: Database) -> str:
    """The prefix installed in this database, where it is the only one: for when rule files cannot be read.

    Raises Refused where there is none, or more than one.
    """
    found = list(installed_prefixes(database))
    if not found:
        name = database.value("select pg_catalog.current_database()")
        raise Refused(
            f"pgerase is not installed in the database {name}",
            hint="Run `pgerase install`, or name another with --dsn.",
        )
    if len(found) > 1:
        raise Refused(f"several prefixes are installed here: {', '.join(found)}", hint="Name one with --prefix.")
    return found[0]


def _recorded(row: dict[str, Any]) -> Recorded:
    kept = decoded(row["undo"])
    return Recorded(
        key=Key(Kind(row["kind"]), tuple(kept["parts"])),
        source_sha256=row["source_sha256"],
        deparsed=row["deparsed"],
        undo=canonical(kept["before"]),
    )


def read_installed(database: Database, prefix: str) -> Installed:
    """What install recorded about itself, and what is there of it now. Raises DatabaseFailed."""
    names = Names(prefix)
    internal = names.internal
    installer = database.value(f"select installer from {identifier(internal, 'installation')}")
    routines = _read_routines(database, names)
    readable = _is_readable(database, log_classes(prefix))
    return Installed(
        installer=str(installer),
        routines=routines,
        views=frozenset({Name(internal, KEY_MASK)}),
        log_shapes=log_shapes(),
        log_sequences=tuple(LogSequence(*sequence) for sequence in read_log_sequences(database, names)),
        log_statistics=tuple((one[0], Name(one[1], one[2])) for one in read_log_statistics(database, names)),
        log_classes=_read_classes(database, names) if readable else {},
        # Without the classes nobody can tell which of them are theirs.
        log_parts=tuple(LogPart(*part) for part in read_log_parts(database, names)) if readable else None,
        log_gaps=_read_gaps(database, names, routines) if readable else (),
    )


def _read_routines(database: Database, names: Names) -> Mapping[Name, tuple[str, str | None]]:
    """The routines that install recorded, each with how it is spelled now; None where it is gone."""
    recorded = database.rows(
        "select coalesce(pg_catalog.to_jsonb(routine) ->> 'home', 'api') as home, name, deparsed"
        f" from {identifier(names.internal, 'routine')} as routine order by 1, 2"
    )
    live: dict[Name, list[str]] = {}
    for routine in read_routines(database, names):
        live.setdefault(Name(names.home(routine.home), routine.name), []).append(routine.deparsed)
    # Two of one name: one of them is not ours, and the joined text is not what was recorded.
    return {
        name: (deparsed, "\n".join(live[name]) if name in live else None)
        for name, deparsed in ((Name(names.home(Home(row["home"])), row["name"]), row["deparsed"]) for row in recorded)
    }


def _read_classes(database: Database, names: Names) -> Mapping[int, str]:
    """The classes of the log by number, which is in the names of their parts."""
    return {
        row["number"]: row["class"]
        for row in database.rows(f"select number, class from {identifier(names.logs, 'class')}")
    }


def _read_gaps(database: Database, names: Names, routines: Mapping[Name, tuple[str, str | None]]) -> tuple[LogGap, ...]:
    """Times for which the log has no partition, as its own routine says. Raises DatabaseFailed.

    None where what it consists of is not as it was installed: that is drift by itself, and what somebody else wrote is not run
    with the rights of whoever looks. None before upgrade made the routine either.
    """
    asked = [routines.get(Name(names.logs, name)) for name in _ASKED]
    if any(found is None or found[0] != found[1] for found in asked):
        return ()
    query = localize(resources.read_text("sql", "operate", "log_gaps.sql"), names)
    found = database.rows(query, {"now": database.value("select pg_catalog.clock_timestamp()")})
    return tuple(LogGap(row["class"], tuple(row["families"]), row["lower_bound"], row["upper_bound"]) for row in found)


@cache
def log_shapes() -> LogShapes:
    """What install makes of the log. A test compares the file with a fresh installation. Raises InternalError where it is missing."""
    read = json.loads(resources.read_text("sql", "install", "log_tables.json"))
    return LogShapes(tables={name: LogShape(**shape) for name, shape in read["tables"].items()}, parts=read["parts"])


def missing_from_log(database: Database, prefix: str) -> tuple[Finding, ...]:
    """Partitions and parts of the log that somebody took away: writes to captured tables fail for want of them.

    Nothing where there is no log, or where its tables may not be read. Raises Refused where its schema is closed; DatabaseFailed.
    """
    names = Names(prefix)
    closed = (
        "select home.oid from pg_catalog.pg_namespace as home"
        " where home.nspname = %s and not pg_catalog.has_schema_privilege(home.oid, 'USAGE')"
    )
    if database.rows(closed, [names.logs]):
        raise Refused(
            f"the schema {names.logs} is closed to the current role",
            hint="Connect as the role that installed pgerase, or as a superuser.",
        )
    if not _is_readable(database, log_classes(prefix)):
        return ()
    classes = _read_classes(database, names).values()
    parts = tuple(LogPart(*part) for part in read_log_parts(database, names))
    gaps = _read_gaps(database, names, _read_routines(database, names))
    return (*missing_classes(prefix, classes, parts), *missing_parts(prefix, parts, gaps))


def drift(database: Database, prefix: str) -> tuple[Finding, ...]:
    """Every difference between what apply and install left and what is there, as of one moment or in the open transaction.

    Raises Refused and DatabaseFailed as `read_state`.
    """
    if database.in_transaction:
        return _drift(database, prefix)
    with database.transaction(isolation="repeatable read", read_only=True):
        return _drift(database, prefix)


def _drift(database: Database, prefix: str) -> tuple[Finding, ...]:
    return find_drift(*read_state(database, prefix), prefix, read_installed(database, prefix))
