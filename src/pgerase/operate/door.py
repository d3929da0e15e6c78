"""The door to what pgerase installed in one schema: runs queries and routines, and lets no value of anybody's row out with an error.

An error of PostgreSQL may show rows, in its message as in its DETAIL. Whatever is no error of ours is therefore told by
SQLSTATE, table and constraint alone, and the original is not chained to it.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime

from pgerase import resources
from pgerase.database import Database, Row, identifier
from pgerase.errors import SQLSTATES, DatabaseFailed, Refused, UsageError
from pgerase.install.localize import localize
from pgerase.install.names import Home, Names
from pgerase.install.survey import installed_prefixes, where_installed

_USAGE = frozenset({"ZE110", "ZE111", "ZE304"})
_NOT_ALLOWED = "42501"
_NO_PARTITION = "23514"
_PARTITIONED = ("entry", "value", "leaf")
"""The log's tables that have partitions, which are called after them."""
_WENT_AWAY = ("08", "57P0")
"""Beginnings of the SQLSTATEs of a connection or a server that is going; 57P03 refuses new ones."""


class Door:
    """What one prefix has in one schema, through one connection; decides nothing. `Register` and `Log` are the two there are."""

    def __init__(self, database: Database, prefix: str, home: Home, *, routine: str) -> None:
        """`routine` stands for all there. Raises Refused where it is not there, or closed to the current role."""
        self.database = database
        self.names = Names(prefix)
        self._schema = self.names.home(home)
        found = self.rows("installed", schema=self._schema, routine=routine)
        if not found:
            if prefix in installed_prefixes(database):
                raise Refused(f"{prefix} is installed here in an older version", hint="run `pgerase upgrade`")
            raise Refused(f"pgerase is not installed here for the prefix {prefix}", hint=where_installed(database))
        if not all(row["allowed"] for row in found):
            raise Refused(
                f"the schema {self._schema} is closed to the current role",
                hint="connect as the role that installed it, or as a superuser",
            )
        self.now: datetime = found[0]["now"]
        """The server's clock when it was opened."""

    def rows(self, file: str, **parameters: object) -> list[Row]:
        """The rows of a query in `sql/operate`. Raises DatabaseFailed without values."""
        query = localize(resources.read_text("sql", "operate", f"{file}.sql"), self.names)
        with self.discreet():
            return self.database.rows(query, parameters)

    def call(self, routine: str, *arguments: object) -> list[Row]:
        """The rows that a routine returns. Raises DatabaseFailed without values."""
        places = ", ".join(["%s"] * len(arguments))
        with self.discreet():
            return self.database.rows(f"select * from {identifier(self._schema, routine)}({places})", arguments)

    @contextmanager
    def discreet(self) -> Generator[None]:
        """Let out of the block only errors that hold no value of anybody's row."""
        try:
            yield
        except DatabaseFailed as error:
            # From None: a traceback shows the chain, and the driver's error in it shows values.
            raise self._without_values(error) from None

    @contextmanager
    def answering(self) -> Generator[None]:
        """Like `discreet`, for a whole command: what our routines refuse is Refused or UsageError, as they meant it."""
        try:
            with self.discreet():
                yield
        except DatabaseFailed as error:
            if error.sqlstate not in SQLSTATES:
                raise
            kind = UsageError if error.sqlstate in _USAGE else Refused
            raise kind(error.message, hint=error.hint) from None

    def is_lost(self, error: DatabaseFailed) -> bool:
        """Whether the connection, and not the statement, is what failed."""
        return self.database.closed or (error.sqlstate or "").startswith(_WENT_AWAY)

    def _lacks_partition(self, error: DatabaseFailed) -> bool:
        """Whether a row found no partition among the log's tables; what breaks a constraint names it."""
        parts = "|".join(_PARTITIONED)
        table = re.fullmatch(rf"{re.escape(self.names.logs)}\.({parts})(_\w+)?", error.relation or "")
        return error.sqlstate == _NO_PARTITION and not error.constraint and table is not None

    def _without_values(self, error: DatabaseFailed) -> DatabaseFailed:
        if error.sqlstate in SQLSTATES:
            # Raised anew as well: the driver's error behind it says more than ours does.
            message, hint = error.message, error.hint
        elif self.is_lost(error):
            message = "the connection to PostgreSQL is lost"
            hint = "what was not committed never happened; running the command again resumes"
        else:
            named = [f"table {error.relation}"] if error.relation else []
            named += [f"constraint {error.constraint}"] if error.constraint else []
            # Without one it is the driver that refused, a text with a NUL for instance.
            refused = (
                f"PostgreSQL refused with SQLSTATE {error.sqlstate}" if error.sqlstate else "a value cannot be sent"
            )
            message = ", ".join([refused, *named])
            hint = "its own words are not shown, since they could hold personal data; the server's log may have them"
            if error.sqlstate == _NOT_ALLOWED:
                hint = f"connect as the role that installed pgerase; {hint}"
            elif self._lacks_partition(error):
                what = "`pgerase audit status` says which, and `pgerase audit maintain` makes it"
                hint = f"the log has no partition for it: {what}; {hint}"
        return DatabaseFailed(
            message, sqlstate=error.sqlstate, hint=hint, relation=error.relation, constraint=error.constraint
        )
