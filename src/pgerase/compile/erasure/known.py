"""Whether columns still have types that we know, before anything is done with them.

A cast to or from somebody's own type runs his function, which the planner may inline and evaluate before there is a row. So the
types of all columns that a function uses are looked at in statements of their own, which come first: the next ones are planned,
and casts resolved, once those have passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pgerase.catalog.model import Column, Name, Table
from pgerase.compile.erasure.used import used_columns
from pgerase.compile.layout import folded
from pgerase.compile.naming import Naming
from pgerase.compile.sql import ident, indent, qualified, regclass, row_field, text_literal

LOOK = "\0look\0\n"
"""Stands in a body where types are looked at, until it is known which columns the body uses."""
FIRST_USER_TYPE = 16384
"""The server's own types have lower object identifiers, forever (FirstNormalObjectId)."""
_SAID = "-- A type that is not the server's own could bring code along, to run with our rights."

ASSERT_TYPES = f"""
declare
    v_type oid;
    v_base oid;
    v_kind "char";
begin
    foreach v_type in array p_types loop
        loop
            exit when v_type < {FIRST_USER_TYPE};
            -- An older snapshot knows nothing of a type that came later: then it is none of the known.
            select t.typtype, t.typbasetype
            into v_kind, v_base
            from pg_type as t
            where t.oid = v_type;
            exit when v_kind is distinct from 'd';
            v_type := v_base;
        end loop;
        if v_type >= {FIRST_USER_TYPE}
            and (format('%s %s', v_kind, format_type(v_type, null)) = any (p_known)) is not true
        then
            raise exception using
                errcode = 'ZE103',
                message = format('a column of %s has another type than when the map was applied', p_table),
                hint = 'Look at it with pgerase plan; pgerase apply takes note of it.';
        end if;
    end loop;
end;
"""
"""The body of `assert_types`."""


def assert_columns(naming: Naming) -> str:
    """The body of `assert_columns`."""
    return f"""
begin
    -- Else its owner could hold it until we have looked, and change it then.
    execute format('lock table %s in access share mode', p_table);
    if (select c.relkind from pg_class as c where c.oid = p_table) = 'v' then
        raise exception using
            errcode = 'ZE103',
            message = format('%s is a view, and was none when the map was applied', p_table),
            hint = 'Look at it with pgerase plan; pgerase apply takes note of it.';
    end if;
    perform {_function(naming)}(
        p_table,
        array(
            select a.atttypid
            from pg_attribute as a
            where a.attrelid = p_table
                and a.attname = any (p_columns)
        ),
        p_known
    );
end;
"""


def columns_known(body: str, naming: Naming, tables: Mapping[Name, Table]) -> str:
    """A body that refuses, where LOOK stands, a column that it uses and whose type is neither the server's nor known."""
    made = ""
    function = qualified(Name(naming.eraser, "assert_columns"))
    for name, columns in used_columns(body.replace(LOOK, ""), tables).items():
        others = [one for one in columns if one in _others(tables[name])]
        for asked in (tuple(one for one in columns if one not in others), others):
            if asked:
                known = "".join(f", {_array(kinds)}" for kinds in [_known(tables[name], asked)] if kinds)
                made += f"    perform {function}({regclass(name)}, {_array(asked)}{known});\n"
    return body.replace(LOOK, folded(f"    {_SAID}\n{made}") if made else "")


def is_known(naming: Naming) -> str:
    """The body of `is_known`."""
    eraser = ident(naming.eraser)
    return f"""
begin
    perform {eraser}.assert_columns(p_table, p_columns);
    perform {eraser}.assert_columns(p_table, p_others, p_known);
    perform {eraser}.assert_user_code(array[p_table], p_wanted, p_reading => true);
    return not exists (select from pg_inherits as below where below.inhparent = p_table);
end;
"""


def table_held(naming: Naming, table: Table, columns: Iterable[str], code: str, by: int) -> str:
    """Statements that hold a table and refuse what is not known of it, in a function that anybody's writes call; moved right so far.

    A row of the table's type has the types of now, in whatever snapshot. The rest is asked when the server plans the expression,
    which it does anew once the table has changed, and then evaluates what the table's owner wrote (`code` is its hash): so it
    costs nothing a row.
    """
    asked = tuple(columns)
    others = [name for name in asked if name in _others(table)]
    own = [name for name in asked if name not in others]
    eraser, itself = ident(naming.eraser), regclass(table.name)
    listed = ",\n    ".join([itself, _array(own), _array(others), _array(_known(table, others)), f"'{code}'"])
    text = f"""{_SAID}
lock table {qualified(table.name)} in access share mode;
-- Evaluated when it is planned, which is anew once the table has changed; tables below it change on their own.
if not {eraser}.is_known(
    {listed}
) then
    perform {eraser}.assert_user_code(array[{itself}], '{code}', p_reading => true);
end if;
"""
    if types := types_of_row(naming, table, "v_types", own):
        text += f"""declare
    -- It has the types of now, whatever our snapshot knows.
    v_types {qualified(table.name)};
begin
    {indent(types)}
end;
"""
    return folded(f"{' ' * by}{indent(text.rstrip(), by)}\n")


def types_of_row(naming: Naming, table: Table, row: str, columns: Iterable[str]) -> str:
    """The statement that refuses where columns of a PL/pgSQL row have got types that are not the server's own.

    Those that had such types when this was compiled are not asked: whoever uses them has them printed.
    """
    found = [column for name in columns if (column := table.column(name)) is not None and not is_others(column)]
    if not found:
        return ""
    types = [f"pg_typeof({row_field(row, column.name)})::oid" for column in found]
    largest = types[0] if len(types) == 1 else f"greatest({', '.join(types)})"
    listed = ", ".join(types)
    return (
        f"if {largest} >= {FIRST_USER_TYPE} then\n"
        f"    perform {_function(naming)}({regclass(table.name)}, array[{listed}]);\n"
        "end if;"
    )


def is_others(column: Column) -> bool:
    """Whether a column's type, below its domains, is not the server's own."""
    return "." in column.base_type


def as_text(column: Column, source: str) -> str:
    """A value as its type prints it: a cast to text is the server's only for types of its own, anybody else may bring one along."""
    if not is_others(column):
        return f"{source}::text"
    # Of a composite value IS NOT NULL asks each field.
    given = "is distinct from null" if column.type_kind == "c" else "is not null"
    return f"case when {source} {given} then {printed(source)} end"


def printed(source: str) -> str:
    """A value of whatever type as it is printed, and nothing where there is none: neither casts nor operators are looked for."""
    return f"format('%s', {source})"


def _known(table: Table, columns: Iterable[str]) -> tuple[str, ...]:
    """The types that are not the server's own, of these columns: their kind, since another one may get the name."""
    found = (table.column(name) for name in columns)
    return tuple(
        dict.fromkeys(f"{one.type_kind} {one.base_type}" for one in found if one is not None and is_others(one))
    )


def _others(table: Table) -> set[str]:
    """The columns whose types are not the server's own."""
    return {column.name for column in table.columns if is_others(column)}


def _array(texts: Iterable[str]) -> str:
    listed = ", ".join(text_literal(one).strip() for one in texts)
    return f"array[{listed}]" if listed else "array[]::text[]"


def _function(naming: Naming) -> str:
    return qualified(Name(naming.eraser, "assert_types"))
