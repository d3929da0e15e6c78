"""The door to the log for whoever runs it: its queries and routines, through one connection. Decides nothing."""

from __future__ import annotations

from datetime import datetime

from pgerase import resources
from pgerase.database import Database, Row, identifier
from pgerase.errors import Refused
from pgerase.install.localize import localize
from pgerase.install.names import Names


class Log:
    """The log of one prefix. Raises Refused where it is not there, or closed to the current role."""

    def __init__(self, database: Database, prefix: str) -> None:
        self.database = database
        self.names = Names(prefix)
        found = self.rows("log_installed")
        if not found:
            raise Refused(
                f"there is no log here for the prefix {prefix}",
                hint="run `pgerase install`, or `pgerase upgrade` where an older version was installed",
            )
        if not found[0]["allowed"]:
            raise Refused(
                f"the log in schema {self.names.logs} is closed to the current role",
                hint="connect as the role that installed it, or as a superuser",
            )
        self.sealed: bool = found[0]["sealed"]
        """Whether the seal is installed."""
        self.now: datetime = found[0]["now"]
        """The server's clock when it was opened."""

    def rows(self, file: str, **parameters: object) -> list[Row]:
        """The rows of a query in `sql/operate`. Raises DatabaseFailed."""
        query = localize(resources.read_text("sql", "operate", f"{file}.sql"), self.names)
        return self.database.rows(query, parameters or None)

    def call(self, routine: str, *arguments: object) -> list[Row]:
        """The rows that a routine of the log returns. Raises DatabaseFailed."""
        places = ", ".join(["%s"] * len(arguments))
        return self.database.rows(f"select * from {identifier(self.names.logs, routine)}({places})", arguments)

    def table(self, name: str) -> str:
        """A table of the log, quoted."""
        return identifier(self.names.logs, name)
