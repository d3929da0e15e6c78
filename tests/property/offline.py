"""The schema that rule files are drawn for, and its rows, without any server: a catalog and values as psycopg would return them."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pgerase.catalog.model import Catalog, Column, Constraint, ForeignKey, Table
from tests.property.draw_data import Row
from tests.property.world import KINDS, MARK, RID, TABLES, Col, Tab, Variant

_BASES = {
    "num": "numeric", "text": "text", "ctext": "text", "vc": "character varying", "ch": "character", "dom": "character varying",
    "cit": "app.citext", "enum": "app.state", "tstz": "timestamp with time zone", "ts": "timestamp without time zone",
}  # fmt: skip


def catalog_of(variant: Variant) -> Catalog:
    """The catalog that reading the variant's schema gives, as far as rules look at it."""
    tables = [_table(variant, table) for table in TABLES.values()]
    return Catalog(
        180000, "offline", "owner", {}, {table.name: table for table in tables}, {}, (), {}, (), (), ()
    )  # fmt: skip


def rows_of(variant: Variant, table: str, rows: list[Row]) -> list[dict[str, Any]]:
    """Rows as the database returns them."""
    columns = {column.name: column for column in TABLES[table].columns}
    return [
        {
            variant.n(name): value if name in (RID, MARK) else _value(variant, columns[name].kind, value)
            for name, value in row.items()
        }
        for row in rows
    ]


def _table(variant: Variant, table: Tab) -> Table:
    columns = [_column(variant, column) for column in table.columns]
    keys = [
        ForeignKey(
            "fk", tuple(map(variant.n, look.columns)), variant.table(look.target),
            tuple(map(variant.n, look.target_columns)), "a", "a", "s", False, False, True,
        )
        for look in table.lookups
        if look.declared
    ]  # fmt: skip
    primary = (Constraint("pk", "p", tuple(map(variant.n, table.key)), ""),) if table.key else ()
    return Table(
        oid=1, name=variant.table(table.name), kind="r", owner="owner", persistence="p", columns=tuple(columns),
        constraints=primary, foreign_keys=tuple(keys), indexes=(), triggers=(), policies=(), grants=(), rls_enabled=False,
        rls_forced=False, parents=(), is_partition=False, estimated_rows=0.0, comment="",
    )  # fmt: skip


def _column(variant: Variant, column: Col) -> Column:
    kind = KINDS.get(column.kind, variant.keys)
    base = _BASES.get(column.kind, kind)
    return Column(
        name=variant.n(column.name),
        position=1,
        type=base,
        base_type=base,
        element_type=base.removesuffix("[]") if base.endswith("[]") else None,
        type_kind="e" if column.kind == "enum" else "b",
        not_null=column.required,
        default=None,
        identity="",
        generated="",
        collation="C" if column.kind == "ctext" else None,
        collation_is_c=column.kind == "ctext",
        collation_deterministic=True,
    )


def _value(variant: Variant, kind: str, value: Any) -> Any:
    if value is None:
        return None
    match kind if kind != "key" else variant.keys:
        case "num":
            return Decimal(str(value))
        case "dbl":
            return float(value)
        case "date":
            return date.fromisoformat(value)
        case "tstz" | "ts":
            return datetime.fromisoformat(value)
        case "uuid":
            return UUID(value)
        case "ch":
            return value.ljust(16)
        case _:
            return value
