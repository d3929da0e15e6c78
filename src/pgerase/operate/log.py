"""The log, its retention and its seal."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from pgerase.database import Database, identifier
from pgerase.install.authentic import Authentic, check_log_routines
from pgerase.install.names import Home
from pgerase.operate.door import Door


class Log(Door):
    """The log of one prefix through one connection. Raises Refused where it is not there, or closed to the current role."""

    def __init__(self, database: Database, prefix: str) -> None:
        super().__init__(database, prefix, Home.LOG, routine="begin_run")

    def table(self, name: str) -> str:
        """A table of the log, quoted."""
        return identifier(self._schema, name)

    def authentic(self) -> Authentic:
        """Whether the log's routines are those that this version installs. Raises DatabaseFailed without values."""
        with self.discreet():
            return check_log_routines(self.database, self.names)

    @contextmanager
    def snapshot(self) -> Generator[None]:
        """One consistent look at everything. Raises Refused as its routines do, DatabaseFailed without values."""
        with self.answering(), self.database.transaction(isolation="repeatable read", read_only=True):
            # Both tables have the same partitions, and joins of one with another need less memory.
            self.database.run("set local enable_partitionwise_join = on; set local enable_partitionwise_aggregate = on")
            yield
