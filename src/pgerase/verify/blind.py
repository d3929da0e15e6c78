"""Reads every row of a table as somebody of whom the catalog proves that no policy hides any. Otherwise it says so.

`row_security = off` cannot serve for that: on forced tables it raises an error for exempt roles too (field notes: traps).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Name, Table
from pgerase.database import Database, identifier, with_parameters
from pgerase.errors import DatabaseFailed, Finding
from pgerase.install.borrow import acting_as
from pgerase.plan.foreign import roles_bound_as
from pgerase.verify.model import Sample, unseen


@dataclass(frozen=True, slots=True, eq=False)
class SeenRow:
    """A row, the text that tells it apart in this snapshot, and the columns that were read."""

    id: str
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one table: all of them, or a sample. `total` counts them all."""

    rows: tuple[SeenRow, ...]
    total: int

    @property
    def whole(self) -> bool:
        """Whether no row is missing."""
        return len(self.rows) == self.total


ROW_ID = "pg_catalog.concat(t.tableoid::pg_catalog.text, t.ctid::pg_catalog.text)"
"""Tells a row version apart in one snapshot, whatever keys a table has: its table (or leaf) and its place."""
_FOREIGN_ROW_ID = (
    "pg_catalog.concat(pg_catalog.md5(t::pg_catalog.text), '#',"
    " pg_catalog.row_number() over (partition by t::pg_catalog.text))"
)
"""Of foreign tables, whose rows may have no place: what a row holds, counted where several hold the same."""


def row_id(table: Table) -> str:
    """An expression over the row `t` that tells it apart in one snapshot."""
    return _FOREIGN_ROW_ID if table.kind == "f" else ROW_ID


class Blind:
    """All rows, in the snapshot of the open transaction."""

    def __init__(self, database: Database, catalog: Catalog, lookup: str) -> None:
        self._database = database
        self._catalog = catalog
        self._lookup = lookup

    def reader_of(self, name: Name) -> str | None:
        """Who reads every row of a table: the connected role, the lookup role, or nobody (None)."""
        table = self._catalog.tables[name]
        me = self._catalog.roles[self._catalog.current_user]
        unbound = me.superuser or me.bypassrls
        # Whoever sees all by a policy may not any more once he is a member of an application's login, to act as it (before 16).
        for role in (me.name, self._lookup) if unbound else (self._lookup, me.name):
            mapped = table.server is None or not table.server.needs_mapping or table.server.mapping(role) is not None
            if mapped and self._sees_all(role, table) and self._may_select(role, table):
                return role
        return None

    def read(self, name: Name, columns: Collection[str], sample: Sample, *, is_fact: bool) -> Rows | Finding:
        """The rows of a table with these columns; a sample of a table too large to hold, unless rules look things up in it.

        Inside the block in which the lookup role is borrowed.
        """
        reader = self.reader_of(name)
        if reader is None:
            return self._nobody_sees(name)
        table = identifier(name.schema, name.name)
        try:
            with self._database.transaction(), self._as(reader):
                total = int(self._database.value(f"select pg_catalog.count(*) from {table}"))
                if total > sample.hold and is_fact:
                    why = f"{total} rows of facts are more than {sample.hold}, the most that are held in memory"
                    return unseen(str(name), why, "Allow more with --hold.")
                told_by = row_id(self._catalog.tables[name])
                rows = self._rows(table, told_by, columns, sample if total > sample.hold else None)
        except DatabaseFailed as error:
            return unseen(str(name), f"{reader} could not read it: {error.message}")
        return Rows(rows, total)

    def texts(self, name: Name, columns: Sequence[str]) -> dict[str, tuple[str | None, ...]]:
        """Columns of every row, as the server prints them, by the row's id. Raises DatabaseFailed, also where nobody may read all."""
        reader = self.reader_of(name)
        if reader is None:
            raise DatabaseFailed(f"nobody is proven to see every row of {name}")
        listed = "".join(f", t.{identifier(column)}::text as c{number}" for number, column in enumerate(columns))
        with self._database.transaction(), self._as(reader):
            told_by = row_id(self._catalog.tables[name])
            found = self._database.rows(
                f"select {told_by} as id{listed} from {identifier(name.schema, name.name)} as t"
            )
        return {row["id"]: tuple(row[f"c{number}"] for number in range(len(columns))) for row in found}

    def count(self, name: Name) -> int | Finding:
        """How many rows a table has. Inside the block in which the lookup role is borrowed. Raises DatabaseFailed."""
        reader = self.reader_of(name)
        if reader is None:
            return self._nobody_sees(name)
        with self._as(reader):
            return int(self._database.value(f"select pg_catalog.count(*) from {identifier(name.schema, name.name)}"))

    def look_up(self, name: Name, columns: Collection[str], key: Mapping[str, object]) -> Rows | Finding:
        """The rows of a table whose columns have these values, none of them null; `total` counts them.

        Text stands for a value of the column's type. Inside the block in which the lookup role is borrowed. Raises
        DatabaseFailed where a text is no value of that type.
        """
        reader = self.reader_of(name)
        if reader is None:
            return self._nobody_sees(name)
        tests = " and ".join(f"t.{with_parameters(identifier(column))} = %s" for column in key)
        wanted = sorted(columns)
        listed = "".join(f", t.{identifier(column)} as c{number}" for number, column in enumerate(wanted))
        told_by = row_id(self._catalog.tables[name])
        statement = f"select {told_by} as id{listed} from {identifier(name.schema, name.name)} as t where "
        with self._as(reader):
            found = self._database.rows(with_parameters(statement) + tests, list(key.values()))
        rows = tuple(
            SeenRow(row["id"], {column: row[f"c{number}"] for number, column in enumerate(wanted)}) for row in found
        )
        return Rows(rows, len(rows))

    def _nobody_sees(self, name: Name) -> Finding:
        server = self._catalog.tables[name].server
        if server is not None and server.needs_mapping:
            why = f"neither {self._catalog.current_user} nor {self._lookup} has a user mapping on {server.name} and may read it"
            hint = f"create user mapping for {identifier(self._lookup)} server {identifier(server.name)} options (…)"
            return unseen(str(name), why, hint)
        why = f"neither {self._catalog.current_user} nor {self._lookup} is proven to see every row of it"
        hint = "See what `pgerase drift` finds: a policy that binds the lookup role, or a privilege that is gone."
        return unseen(str(name), why, hint)

    def locked(self, name: Name) -> frozenset[str]:
        """Rows that another transaction in progress has locked or is changing."""
        reader = self.reader_of(name)
        if reader is None:
            return frozenset()
        with self._as(reader):
            found = self._database.rows(
                f"select {ROW_ID} as id from {identifier(name.schema, name.name)} as t where t.xmax in ("
                "select l.transactionid from pg_catalog.pg_locks as l where l.locktype = 'transactionid'"
                " and l.mode = 'ExclusiveLock' and l.granted and l.pid <> pg_catalog.pg_backend_pid())"
            )
        return frozenset(row["id"] for row in found)

    def _rows(self, table: str, told_by: str, columns: Collection[str], sample: Sample | None) -> tuple[SeenRow, ...]:
        wanted = sorted(columns)
        names = [f"c{number}" for number in range(len(wanted))]
        listed = "".join(f", t.{identifier(column)} as {alias}" for column, alias in zip(wanted, names, strict=True))
        statement = f"select {told_by} as id{listed} from {table} as t"
        if sample is None:
            found = self._database.rows(statement)
        else:
            # Any rows, but the same ones for the same seed; and some whose columns are null, where rules say least.
            parts = [
                f"({statement} order by pg_catalog.hashtextextended({told_by}, {int(sample.seed)}) limit {sample.rows})"
            ]
            parts += [f"({statement} where t.{identifier(column)} is null limit 3)" for column in wanted]
            found = [row for part in parts for row in self._database.rows(part)]
        by_id = {row["id"]: row for row in found}
        return tuple(
            SeenRow(found_id, {column: row[alias] for column, alias in zip(wanted, names, strict=True)})
            for found_id, row in by_id.items()
        )

    def _as(self, role: str) -> AbstractContextManager[None]:
        return nullcontext() if role == self._catalog.current_user else acting_as(self._database, role)

    def _may_select(self, role: str, table: Table) -> bool:
        statement = (
            "select pg_catalog.has_table_privilege(%s, %s::pg_catalog.oid, 'SELECT')"
            " and pg_catalog.has_schema_privilege(%s, %s, 'USAGE')"
        )
        return bool(self._database.value(statement, [role, table.oid, role, table.name.schema]))

    def _sees_all(self, role: str, table: Table) -> bool:
        """By the catalog alone: nothing binds the role, or an exempt policy shows it everything and none restricts it."""
        known = self._catalog.roles.get(role)
        if known is None:
            return False
        if known.superuser or known.bypassrls or not table.rls_enabled:
            return True
        bound = roles_bound_as(self._catalog, role)
        if table.owner in bound and not table.rls_forced:
            return True
        return shows_all(table, bound)


def shows_all(table: Table, bound: Collection[str]) -> bool:
    """Whether the table's policies show every row to whoever is bound as these roles."""
    mine = [one for one in table.policies if one.command in {"SELECT", "ALL"} and set(bound) & set(one.roles)]
    return any(one.permissive and one.using == "true" for one in mine) and all(
        one.permissive or one.using == "true" for one in mine
    )


def sample_rows(rows: Sequence[SeenRow], sample: Sample, seed_text: str) -> tuple[SeenRow, ...]:
    """The rows to compare: all of few; of many, some of every value of every column read, nulls too, and any others."""
    if len(rows) <= sample.whole:
        return tuple(rows)
    draw = random.Random(f"{sample.seed} {seed_text}")  # noqa: S311 - a sample, not a secret
    chosen: dict[str, SeenRow] = {}
    shuffled = list(rows)
    draw.shuffle(shuffled)
    seen: dict[str, set[str]] = {}
    for row in shuffled:
        for column, value in row.values.items():
            values = seen.setdefault(column, set())
            text = repr(value)
            if text not in values and len(values) < _VALUES:
                values.add(text)
                chosen[row.id] = row
        if len(chosen) >= sample.rows // 2:
            break
    for row in shuffled:
        if len(chosen) >= sample.rows:
            break
        chosen[row.id] = row
    return tuple(chosen.values())


_VALUES = 40
"""Distinct values of a column that are each represented in a sample."""
