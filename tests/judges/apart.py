"""Which mutants of conditions can be told apart at all: PostgreSQL evaluates both for everybody, over rows as they are and as they might be.

It knows nothing of verify. It looks at the condition alone: what other policies make good of it besides is no matter of this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from pgerase.tokens import sign_token
from tests.judges.conftest import Ward

_MOST = 300
"""Rows made of values that stand in rows: so many of each table."""
_TABLES = "select c.relname from pg_class as c where c.relnamespace = 'ward'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition"
_COLUMNS = "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and attname not in ('phone', 'diagnosis')"


class Judge:
    """Evaluates conditions in the ward's database. Made by `judging`."""

    def __init__(self, ward: Ward, connection: psycopg.Connection) -> None:
        self._ward = ward
        self._connection = connection
        self._right: dict[tuple[str, str], dict[tuple[str, str | None, str], object]] = {}
        self._tokens: dict[str, str] = {}
        people = [str(key) for (key,) in connection.execute("select id from ward.person order by id = 5 desc, id")]
        self._tokens = {key: sign_token(ward.key, key) for key in people}
        for (table,) in connection.execute(_TABLES).fetchall():
            self._rows(table)

    def _rows(self, table: str) -> None:
        """The table's rows, and others that mix their values, as a table of the session."""
        columns = [name for (name,) in self._connection.execute(_COLUMNS, [f"ward.{table}"])]
        picked = ", ".join(columns)
        mixed = " cross join ".join(f"(select distinct {one} from ward.{table}) as v_{one}" for one in columns)
        self._connection.execute(
            f"create temp table rows_{table} as select row_number() over () as number, r.* from ("
            f"select {picked} from ward.{table} union all"
            f" (select {picked} from {mixed} order by md5(concat_ws(' ', {picked})) limit {_MOST})) as r".encode()
        )

    def tells_apart(self, table: str, right: str, wrong: str) -> bool:
        """Whether somebody gets another answer for some row, whatever hint the planner has. Not where the mutant fails: that speaks for itself."""
        known = self._right.setdefault((table, right), {})
        web, visitor = self._ward.roles["web"], self._ward.roles["visitor"]
        for hint in ("", "yes"):
            for role, viewer in [*((web, one) for one in self._tokens), (web, None), (visitor, None)]:
                who = (role, viewer, hint)
                if who not in known:
                    known[who] = self._value(table, right, *who)
                try:
                    if self._value(table, wrong, *who) != known[who]:
                        return True
                except psycopg.Error:
                    return False
        return False

    def _value(self, table: str, condition: str, role: str, viewer: str | None, hint: str) -> object:
        with self._connection.transaction(force_rollback=True):
            if viewer is not None:
                self._ward.become(self._connection, viewer)
            self._connection.execute("select set_config(%s, %s, true)", [f"{self._ward.prefix}.wide", hint])
            condition = re.sub(r"\bcurrent_user\b", f"'{role}'::name", condition, flags=re.IGNORECASE)
            query = f"select array_agg(number order by number) from rows_{table} as {table} where {condition}"
            (value,) = self._connection.execute(query.encode()).fetchone() or (None,)
            return value


@contextmanager
def judging(ward: Ward) -> Iterator[Judge]:
    """A judge, as long as the block lasts."""
    with psycopg.connect(ward.database.admin_dsn, autocommit=True) as connection:
        connection.execute("set jit = off")
        yield Judge(ward, connection)
