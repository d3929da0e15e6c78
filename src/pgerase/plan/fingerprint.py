"""What a plan relied on, in one hash: an apply that finds another one is looking at another database.

Pure. Covered are the tables that any statement names, their leaves and parents; everything of pgerase's own; the ledger.
Statistics, and tables no rule speaks of, are not: a plan stays good while the rest of the database lives on.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from pgerase.catalog.model import Catalog, Name, Table
from pgerase.plan.family import children
from pgerase.plan.model import Ledger
from pgerase.plan.objects import Kind, sha256_json
from pgerase.plan.order import qualified_names
from pgerase.render.live import own_roles


def relied_on(catalog: Catalog, tables: Iterable[Name], sql: Iterable[str]) -> tuple[Name, ...]:
    """The tables given, those whose qualified name occurs in `sql`, and their leaves and parents; in name order."""
    mentioned = set(tables)
    for text in sql:
        mentioned |= {Name(schema, table) for schema, table in qualified_names(text)}
    found = {name for name in mentioned if name in catalog.tables}
    family = children(catalog)
    frontier: AbstractSet[Name] = found
    while frontier:
        related = {parent for name in frontier for parent in catalog.tables[name].parents}
        related |= {child for name in frontier for child in family.get(name, ())}
        frontier = {name for name in related if name in catalog.tables} - found
        found = found | frontier
    return tuple(sorted(found))


def fingerprint(catalog: Catalog, ledger: Ledger, prefix: str, tables: Iterable[Name]) -> str:
    """The hash of everything relied on."""
    names = sorted(tables)
    family = children(catalog)
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
            "tables": [_table(catalog.tables.get(name), name, family.get(name, [])) for name in names],
            "own": own,
            "recorded": {str(row.key): [row.source_sha256, row.deparsed, row.undo] for row in ledger.rows.values()},
            "last_run": ledger.last_run,
        }
    )


def _table(table: Table | None, name: Name, below: list[Name]) -> object:
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
        repr(sorted(below)),
        repr(table.columns),
        repr(table.constraints),
        repr(table.foreign_keys),
        repr(table.policies),
        repr(table.triggers),
    ]
