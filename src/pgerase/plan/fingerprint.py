"""What a plan relied on, in one hash: an apply that finds another one is looking at another database.

Pure. Covered are the tables that any statement names, their leaves and parents; everything of pgerase's own; the ledger.
Statistics, and tables no rule speaks of, are not: a plan stays good while the rest of the database lives on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from pgerase.catalog.model import Catalog, Name, Table
from pgerase.plan.model import Ledger
from pgerase.plan.objects import Kind, sha256_json
from pgerase.render.live import own_roles


def relied_on(catalog: Catalog, tables: Iterable[Name], sql: Iterable[str]) -> tuple[Name, ...]:
    """The tables given, those whose qualified name occurs in `sql`, and their leaves and parents; in name order."""
    mentioned = set(tables)
    for text in sql:
        mentioned |= {Name(_plain(schema), _plain(table)) for schema, table in _QUALIFIED.findall(text)}
    found = {name for name in mentioned if name in catalog.tables}
    children = _children(catalog)
    frontier: AbstractSet[Name] = found
    while frontier:
        related = {parent for name in frontier for parent in catalog.tables[name].parents}
        related |= {child for name in frontier for child in children.get(name, ())}
        frontier = {name for name in related if name in catalog.tables} - found
        found = found | frontier
    return tuple(sorted(found))


_PART = r'("(?:[^"]|"")+"|[^\W\d][\w$]*)'
_QUALIFIED = re.compile(rf"{_PART}\.(?={_PART})")
"""Two names around a dot; of a.b.c both pairs, so that columns of qualified tables do not hide the table."""


def _plain(part: str) -> str:
    return part[1:-1].replace('""', '"') if part.startswith('"') else part


def _children(catalog: Catalog) -> dict[Name, list[Name]]:
    children: dict[Name, list[Name]] = {}
    for table in catalog.tables.values():
        for parent in table.parents:
            children.setdefault(parent, []).append(table.name)
    return children


def fingerprint(catalog: Catalog, ledger: Ledger, prefix: str, tables: Iterable[Name]) -> str:
    """The hash of everything relied on."""
    names = sorted(tables)
    children = _children(catalog)
    roles = own_roles(prefix)
    own = {
        str(key): state
        for key, state in ledger.live.items()
        if key.kind in {Kind.VIEW, Kind.FUNCTION, Kind.MEMBERSHIP, Kind.ROLE, Kind.SCHEMA}
        or key in ledger.rows
        or (key.kind is Kind.GRANT and key.parts[-1] in roles)
    }
    return sha256_json(
        {
            "tables": [_table(catalog.tables.get(name), name, children.get(name, [])) for name in names],
            "own": own,
            "recorded": {str(row.key): [row.source_sha256, row.deparsed, row.undo] for row in ledger.rows.values()},
            "last_run": ledger.last_run,
        }
    )


def _table(table: Table | None, name: Name, children: list[Name]) -> object:
    """What matters about a table: not its oid, statistics, comment or the grants of others."""
    if table is None:
        return [str(name), None]
    return [
        str(name),
        table.kind,
        table.owner,
        table.rls_enabled,
        table.rls_forced,
        repr(sorted(table.parents)),
        repr(sorted(children)),
        repr(table.columns),
        repr(table.constraints),
        repr(table.foreign_keys),
        repr(table.policies),
        repr(table.triggers),
    ]
