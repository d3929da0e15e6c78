"""Clones of governed tables in a scratch schema, gone with the transaction: where writes are tried, and nothing fires.

A clone has the table's columns, some of its rows, and either its policies, spelled as the catalog spells them (they name the table by
its bare name, which the clone has too), or pgerase's guard alone. Constraints, defaults and other triggers stay behind: what is
tried is whether the rules let a row through, not whether the row makes sense.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Name, Table, Trigger
from pgerase.compile.naming import Naming
from pgerase.database import Database, identifier, with_parameters
from pgerase.errors import Refused
from pgerase.install.borrow import acting_as
from pgerase.render.environment import render
from pgerase.render.fragments import Expr, quote_identifier, quote_literal
from pgerase.verify.blind import ROW_ID
from pgerase.verify.guard_shape import FIRES

AUTHORITY, COLUMNS = "[pgerase guard]", "[pgerase columns]"
"""What the comments of the guards of columns that decide about people, and of restricted columns, hold."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row to write: the base row, with these columns from a donor row, or null where there is none. Rows are clone rows."""

    base: int
    columns: tuple[str, ...] = ()
    donor: int | None = None


@dataclass(frozen=True, slots=True)
class Clone:
    """A clone with the places of its rows, in the order in which they were asked for."""

    table: Table
    name: Name
    wanted: Name
    places: tuple[str, ...]

    @property
    def sql(self) -> str:
        """The clone's name in SQL."""
        return identifier(self.name.schema, self.name.name)

    @property
    def insert(self) -> str:
        """Write the wanted row with the number $1."""
        listed, taken = self._columns
        return f"insert into {self.sql} ({listed}) select {taken} from {self._source} where w.n = $1::pg_catalog.int4"

    @property
    def update(self) -> str:
        """Turn the row at the place $2 into the wanted row with the number $1."""
        return self.update_of([column.name for column in self.table.columns])

    def update_of(self, columns: Sequence[str]) -> str:
        """Take these columns of the row at the place $2, and no others, from the wanted row with the number $1."""
        names = [identifier(column) for column in columns]
        listed, taken = ", ".join(names), ", ".join(f"(w.r).{name}" for name in names)
        return (
            f"update {self.sql} set ({listed}) = (select {taken} from {self._source} where w.n = $1::pg_catalog.int4)"
            " where ctid = $2::pg_catalog.tid"
        )

    @property
    def bare_write(self) -> str:
        """Turn every row into the wanted row with the number $1, without reading a column of any."""
        listed, taken = self._columns
        return (
            f"update {self.sql} set ({listed}) = (select {taken} from {self._source} where w.n = $1::pg_catalog.int4)"
        )

    @property
    def delete(self) -> str:
        """Delete the row at the place $1."""
        return f"delete from {self.sql} where ctid = $1::pg_catalog.tid"

    @property
    def bare_delete(self) -> str:
        """Delete every row without reading a column of it."""
        return f"delete from {self.sql}"

    @property
    def bare_update(self) -> str | None:
        """Change every row without reading a column of it; None where no column can be emptied."""
        column = self.emptied
        return None if column is None else f"update {self.sql} set {identifier(column)} = null"

    @property
    def emptied(self) -> str | None:
        """A column that takes null once the table lets it."""
        return next((column.name for column in self.table.columns if not column.domains), None)

    @property
    def _source(self) -> str:
        return f"{identifier(self.wanted.schema, self.wanted.name)} as w"

    @property
    def _columns(self) -> tuple[str, str]:
        names = [identifier(column.name) for column in self.table.columns]
        return ", ".join(names), ", ".join(f"(w.r).{name}" for name in names)


@dataclass(frozen=True, slots=True)
class HandOvers:
    """The functions that hand rows of a clone over: by column, and how the column's type is spelled."""

    schema: str
    functions: dict[str, tuple[str, str]]

    def call(self, clone: Clone, column: str) -> str:
        """Hand the row that is the wanted row with the number $1 to the person with the key $2."""
        name, spelled = self.functions[column]
        keys = ", ".join(f"(w.r).{identifier(key)}" for key in clone.table.primary_key)
        source = f"{identifier(clone.wanted.schema, clone.wanted.name)} as w"
        function = identifier(self.schema, name)
        return (
            f"select {function}({keys}, $2::pg_catalog.text::{spelled}) from {source} where w.n = $1::pg_catalog.int4"
        )


class Workshop:
    """Makes clones in scratch schemas of its own, inside the open transaction."""

    def __init__(self, database: Database, catalog: Catalog, prefix: str, lookup: str) -> None:
        self._database = database
        self._catalog = catalog
        self._lookup = lookup
        self._prefix = prefix
        self._schemas = 0

    def clone(self, table: Table, reader: str, ids: Sequence[str], wanted: Sequence[Wanted]) -> Clone:
        """A clone with these rows, and these further rows to write into it; it has no policies yet. Raises DatabaseFailed.

        `reader` sees every row of the table (`Blind.reader_of`).
        """
        self._schemas += 1
        schema = f"{self._prefix}_verify_{self._schemas}"
        clone = Name(schema, table.name.name)
        wishes = Name(schema, "w" if table.name.name != "w" else "wanted")
        self._database.run(render("verify/schema", schema=schema))
        self._database.run(render("verify/clone", clone=clone, table=table.name, wanted=wishes))
        sql = identifier(clone.schema, clone.name)
        listed = ", ".join(identifier(column.name) for column in table.columns)
        copied = ", ".join(f"t.{identifier(column.name)}" for column in table.columns)
        with acting_as(self._database, reader):
            source = identifier(table.name.schema, table.name.name)
            self._database.rows(
                with_parameters(f"insert into {sql} ({listed}) select {copied} from {source} as t")
                + f" where {ROW_ID} = any(%(ids)s) order by pg_catalog.array_position(%(ids)s::pg_catalog.text[], {ROW_ID})",
                {"ids": list(ids)},
            )
        places = [
            row["place"] for row in self._database.rows(f"select t.ctid::text as place from {sql} as t order by t.ctid")
        ]
        self._wish(table, sql, wishes, places, wanted)
        return Clone(table, clone, wishes, tuple(places))

    def unchecked(self, clone: Clone) -> Clone:
        """With the live table's policies, but for what they ask of rows that an UPDATE makes. Raises DatabaseFailed."""
        if clone.emptied is not None:
            self._database.run(render("verify/nullable", clone=clone.name, column=clone.emptied))
        return self.with_policies(clone, checked=False)

    def with_policies(self, clone: Clone, *, checked: bool = True) -> Clone:
        """Give it the live table's policies and force row security, as far as the live table has it. Raises DatabaseFailed.

        Where rows are not `checked`, an UPDATE may make whatever row it likes of one that it may change.
        """
        for policy in clone.table.policies:
            check = policy.check if checked or policy.command == "INSERT" else "true"
            statement = render(
                "plan/create_policy",
                name=policy.name,
                table=clone.name,
                permissive=policy.permissive,
                command=Expr(policy.command.lower()),
                roles=policy.roles,
                using=None if policy.using is None else Expr(policy.using),
                check=None if check is None or policy.command in _UNCHECKED else Expr(check),
                comment=None,
            )
            self._database.run(statement, what=f"policy {policy.name}")
        if clone.table.rls_enabled:
            self._database.run(render("verify/force", clone=clone.name))
        return clone

    def with_guard(self, clone: Clone, api: str, mark: str) -> Clone:
        """Give it the guards of one kind that the live table has, as far as they fire. Raises DatabaseFailed."""
        for trigger in clone.table.triggers:
            if trigger.function.schema == api and trigger.enabled in FIRES and mark in trigger.comment:
                self._database.run(_moved(trigger, clone), what=f"trigger {trigger.name}")
        return clone

    def with_hand_over(self, clone: Clone, resource: str, columns: Sequence[str]) -> HandOvers:
        """The live functions that hand rows over, and the view they write to, moved to the clone.

        The lookup role's rights are borrowed meanwhile. Raises DatabaseFailed, and Refused where one is not there.
        """
        naming = Naming(self._prefix)
        live = naming.view("hand_over", resource)
        view = Name(clone.name.schema, live.name)
        functions: dict[str, tuple[str, str]] = {}
        schema, lookup = identifier(clone.name.schema), identifier(self._lookup)
        self._database.run(f"grant create on schema {schema} to {lookup}")
        with acting_as(self._database, self._lookup):
            query = self._definition(_VIEW, live).replace(_sql(clone.table.name), clone.sql)
            self._database.run(f"create view {_sql(view)} as {query}", what=f"view {live}")
            self._database.run(f"grant select, update on table {_sql(view)} to public")
            for column in columns:
                name = naming.hand_over(resource, column)
                moved = Name(clone.name.schema, name.name)
                definition = self._definition(_FUNCTION, name)
                for old, new in (
                    (_sql(name), _sql(moved)),
                    (_sql(live), _sql(view)),
                    (f"{quote_literal(_sql(clone.table.name))}::", f"{quote_literal(clone.sql)}::"),
                ):
                    definition = definition.replace(old, new)
                self._database.run(definition, what=f"function {name}")
                found = clone.table.column(column)
                functions[column] = (name.name, "" if found is None else found.type)
        return HandOvers(clone.name.schema, functions)

    def _definition(self, statement: str, name: Name) -> str:
        """How the server spells something live of ours. Raises Refused where it is not there."""
        found = self._database.value(statement, [name.schema, name.name])
        if found is None:
            raise Refused(f"{name} is not there", hint="See what drift says.")
        return str(found)

    def _wish(self, table: Table, sql: str, wishes: Name, places: Sequence[str], wanted: Sequence[Wanted]) -> None:
        """Fill the table of rows to write, with one statement for every set of columns that is changed."""
        groups: dict[tuple[str, ...], list[tuple[int, Wanted]]] = {}
        for number, wish in enumerate(wanted):
            groups.setdefault(wish.columns, []).append((number, wish))
        for columns, members in groups.items():
            mixed = ", ".join(
                f"{'d' if column.name in columns else 'b'}.{identifier(column.name)}" for column in table.columns
            )
            self._database.rows(
                with_parameters(
                    f"insert into {identifier(wishes.schema, wishes.name)} (n, r) select m.n, row({mixed})::{sql}"
                )
                + " from rows from (pg_catalog.unnest(%s::pg_catalog.int4[]), pg_catalog.unnest(%s::pg_catalog.tid[]),"
                " pg_catalog.unnest(%s::pg_catalog.tid[])) as m (n, b, d)"
                + with_parameters(f" join {sql} as b on b.ctid = m.b left join {sql} as d on d.ctid = m.d"),
                [
                    [number for number, _ in members],
                    [places[wish.base] for _, wish in members],
                    [None if wish.donor is None else places[wish.donor] for _, wish in members],
                ],
            )


_UNCHECKED = frozenset({"SELECT", "DELETE"})
"""Commands whose policies have no WITH CHECK."""
_VIEW = """
    select pg_catalog.pg_get_viewdef(c.oid)
    from pg_catalog.pg_class as c
        join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = %s and c.relname = %s
"""
_FUNCTION = """
    select pg_catalog.pg_get_functiondef(p.oid)
    from pg_catalog.pg_proc as p
        join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
    where n.nspname = %s and p.proname = %s
"""


def _sql(name: Name) -> str:
    """A name as the server spells it."""
    return f"{quote_identifier(name.schema)}.{quote_identifier(name.name)}"


def _moved(trigger: Trigger, clone: Clone) -> str:
    """The trigger's definition on the clone: the table's name after its own name and events is exchanged, once."""
    head = f"CREATE TRIGGER {quote_identifier(trigger.name)} "
    live = f" ON {quote_identifier(clone.table.name.schema)}.{quote_identifier(clone.table.name.name)} "
    here = f" ON {clone.sql} "
    return trigger.definition[: len(head)] + trigger.definition[len(head) :].replace(live, here, 1)
