"""The ledger of requests, of the lifecycle of people, and of support access."""

from __future__ import annotations

from pgerase.database import Database
from pgerase.install.names import Home
from pgerase.operate.door import Door


class Register(Door):
    """The ledger of one prefix through one connection. Raises Refused where it is not there, or closed to the current role."""

    def __init__(self, database: Database, prefix: str) -> None:
        super().__init__(database, prefix, Home.INTERNAL, routine="erase_people")
