"""Rights on columns as SQL: a condition over a row for masked views, and the one function a table that its guards ask.

They look at the viewer alone, never through reach, and bind super admins too. Only true grants.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pgerase.catalog.model import Name, Table
from pgerase.compile import bound, sql
from pgerase.compile.bind_columns import row_columns
from pgerase.compile.bound import BoundColumnGrant, BoundColumns, Side
from pgerase.compile.desired import DesiredFunction
from pgerase.compile.emit import Emitter, Env, asks_decision, row_env, sides
from pgerase.compile.naming import Naming
from pgerase.compile.sql import (
    FALSE,
    Atom,
    Formula,
    conjunction,
    fit_name,
    formula_text,
    ident,
    qualified,
    text_literal,
)


class ColumnRights:
    """Writes the rights on columns of one pack."""

    def __init__(self, emitter: Emitter) -> None:
        self.emitter = emitter
        self.naming: Naming = emitter.naming

    def condition(self, grant: BoundColumnGrant, env: Env) -> Formula:
        """The viewer has the right on the row; where it speaks of a viewer, there has to be one."""
        if grant.nobody:
            return FALSE
        parts: list[Formula] = []
        if grant.who is not None:
            parts.append(self._somebody(grant.who))
        if grant.rows != bound.HOLDS:
            rows = self.emitter.truth(grant.rows, replace(env, person=None), positive=True)
            names_viewer = Side.PERSON in sides(grant.rows) or asks_decision(grant.rows)
            if names_viewer and grant.who is None:
                parts.append(self._somebody(bound.HOLDS))
            parts.append(rows)
        return conjunction(parts)

    def _somebody(self, who: bound.BoundCondition) -> Atom:
        """The active viewer fits."""
        held = self.emitter.conjuncts(who, Env(person="p", taken=frozenset({"p"})), positive=True)
        return Atom(sql.exists(sql.select("", [f"{self.emitter.me} p"], held)))

    def function(self, table: Table, columns: BoundColumns) -> DesiredFunction:
        """The function of a table that knows every right on its columns, given the values of the row that rights read.

        With the caller's rights, over blind views: its body was read when it was made, so nobody needs to see their schema.
        """
        given = row_values(columns)
        types = {column.name: column.base_type for column in table.columns}
        env = row_env("r", as_set=False)
        cases = "\n".join(
            f"    when {text_literal(grant.name).strip()} then {sql.indent(formula_text(self.condition(grant, env)), 8)}"
            for grant in grants(columns)
        )
        answer = f"case p_right\n{cases}\n    else false\nend"
        arguments = ", ".join(["p_right text", *(f"{_parameter(column)} {types[column]}" for column in given)])
        if given:
            brought = ", ".join(f"{_parameter(column)} as {ident(column)}" for column in given)
            answer = f"(\n    select {sql.indent(answer)}\n    from (select {brought}) r\n)"
        name = self.name(table)
        definition = (
            f"create or replace function {qualified(name)}({arguments})\n"
            "    returns boolean\n"
            "    language sql\n"
            "    stable\n"
            "    parallel safe\n"
            f"return {answer}"
        )
        comment = f"Whether the viewer has a right on columns of {table.name}, on the row whose values are given. [pgerase columns]"
        signature = ", ".join(["text", *(types[column] for column in given)])
        return DesiredFunction(name, signature, self.naming.lookup, definition, (self.naming.viewer,), comment)

    def name(self, table: Table) -> Name:
        """The function's name."""
        return Name(self.naming.api, fit_name(f"column_right_{table.name.schema}_{table.name.name}"))

    def asked(self, table: Table, columns: BoundColumns, grant: BoundColumnGrant, row: str) -> str:
        """A call of the function about a row of PL/pgSQL, `new` or `old`."""
        values = [sql.row_field(row, column) for column in row_values(columns)]
        return f"{qualified(self.name(table))}({', '.join([text_literal(grant.name).strip(), *values])})"


def grants(columns: BoundColumns) -> tuple[BoundColumnGrant, ...]:
    """Every right that somebody may lack, each once."""
    found: Iterable[BoundColumnGrant | None] = (
        *(grant for right in columns.rights for grant in (right.read, right.insert, right.update)),
        columns.later_read,
        columns.later_insert,
        columns.later_update,
    )
    return tuple({grant.name: grant for grant in found if grant is not None}.values())


def row_values(columns: BoundColumns) -> list[str]:
    """The columns of the row that some right reads, in name order."""
    return sorted({column for grant in grants(columns) for column in row_columns(grant.rows)})


def _parameter(column: str) -> str:
    return ident(fit_name(f"p_{column}"))
