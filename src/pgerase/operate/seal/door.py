"""The door to the seal of one log: its routines and what may be read of it, through one connection. Decides nothing.

An error of PostgreSQL may show rows: whatever is no error of ours is told by its SQLSTATE alone.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from pgerase import resources
from pgerase.database import Database, Row, identifier
from pgerase.errors import DatabaseFailed, Refused
from pgerase.install.authentic import Authentic, check_log_routines
from pgerase.install.localize import localize
from pgerase.install.names import Names

_OURS = "ZE2"


class SealDoor:
    """The seal of one prefix. Raises Refused where it is not there, or closed to the current role."""

    def __init__(self, database: Database, prefix: str) -> None:
        self.database = database
        self.names = Names(prefix)
        found = self.rows("seal_installed")
        if not found:
            raise Refused(
                f"there is no log that can be sealed here for the prefix {prefix}",
                hint="run `pgerase install`, or `pgerase upgrade` where an older version was installed",
            )
        if not found[0]["allowed"]:
            raise Refused(
                f"the log in schema {self.names.logs} is closed to the current role",
                hint="connect as the role that installed it, or as a superuser",
            )

    def rows(self, file: str, **parameters: object) -> list[Row]:
        """The rows of a query in `sql/operate`. Raises DatabaseFailed without values."""
        query = localize(resources.read_text("sql", "operate", f"{file}.sql"), self.names)
        with self._discreet():
            return self.database.rows(query, parameters or None)

    def call(self, routine: str, *arguments: object) -> list[Row]:
        """The rows that a routine of the log returns. Raises Refused for what it refuses, DatabaseFailed without values."""
        places = ", ".join(["%s"] * len(arguments))
        with self._discreet():
            return self.database.rows(f"select * from {identifier(self.names.logs, routine)}({places})", arguments)

    def authentic(self) -> Authentic:
        """Whether the log's routines are those that this version installs. Raises DatabaseFailed without values."""
        with self._discreet():
            return check_log_routines(self.database, self.names)

    @contextmanager
    def snapshot(self) -> Generator[None]:
        """One consistent look at everything. Raises DatabaseFailed."""
        with self.database.transaction(isolation="repeatable read", read_only=True):
            # Both tables have the same partitions, and joins of one with another need less memory.
            self.database.run("set local enable_partitionwise_join = on; set local enable_partitionwise_aggregate = on")
            yield

    @contextmanager
    def _discreet(self) -> Generator[None]:
        try:
            yield
        except DatabaseFailed as error:
            if error.sqlstate.startswith(_OURS):
                raise Refused(error.message, hint=error.hint) from None
            if not error.sqlstate:
                raise
            said = f"PostgreSQL refused with SQLSTATE {error.sqlstate}"
            hint = "its own words are not shown, since they could hold personal data"
            # From None: a traceback shows the chain, and the driver's error in it shows values.
            raise DatabaseFailed(said, sqlstate=error.sqlstate, hint=hint) from None
