"""Whether columns still have types of the server's own: anybody else's brings casts along, which would run with the eraser's rights.

A statement of its own in each function, since the next ones are planned, and casts in SQL evaluated, once it has passed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from pgerase.catalog.model import Name, Table
from pgerase.compile.audit.values import is_own
from pgerase.compile.layout import folded
from pgerase.compile.naming import Naming
from pgerase.compile.sql import qualified, regclass, text_literal

ASSERT_TYPES = """
begin
    if exists (
        select
        from pg_attribute as a
            join pg_type as t on t.oid = a.atttypid
        where a.attrelid = p_table
            and a.attname::text = any (p_columns)
            and coalesce(nullif(t.typbasetype, 0), t.oid) >= 16384
    ) then
        raise exception using
            errcode = 'ZE103',
            message = format('a column of %s has another type than when the map was applied', p_table),
            hint = 'Look at it with pgerase plan; pgerase apply takes note of it.';
    end if;
end;
"""
"""The body of `assert_types`. 16384 is the first object that is not the server's own (FirstNormalObjectId)."""


def types_are_known(
    naming: Naming, tables: Iterable[Table], columns: Collection[str] | None = None, by: int = 4
) -> str:
    """Statements that refuse where a column has got a type of somebody's own: any of the tables', or these."""
    made = ""
    for table in tables:
        asked = [one for one in table.columns if is_own(one) and (columns is None or one.name in columns)]
        if asked:
            listed = ", ".join(text_literal(one.name).strip() for one in asked)
            function = qualified(Name(naming.eraser, "assert_types"))
            made += f"{' ' * by}perform {function}({regclass(table.name)}, array[{listed}]);\n"
    said = "-- A type that is not the server's own could bring code along, to run with our rights."
    return folded(f"{' ' * by}{said}\n{made}") if made else ""
