"""Statements that are planned once and run for many viewers: policies are long, and planning them costs more than running them."""

from __future__ import annotations

from pgerase.database import Database, Row, identifier
from pgerase.render.fragments import quote_literal


class Statements:
    """Prepared statements of the session. The server keeps them through rollbacks and plans them again for another role."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names: dict[str, str] = {}

    def rows(self, statement: str) -> list[Row]:
        """Run a statement without parameters and return its rows. Raises DatabaseFailed."""
        return self._database.rows(f"execute {self._name(statement)}")

    def affected(self, statement: str, *values: str | int) -> int:
        """Run a statement with `$1`, … and return how many rows it changed. Raises DatabaseFailed."""
        given = ", ".join(str(value) if isinstance(value, int) else quote_literal(value) for value in values)
        return self._database.affected(f"execute {self._name(statement)}" + (f" ({given})" if given else ""))

    def _name(self, statement: str) -> str:
        if statement not in self._names:
            name = identifier(f"pgerase_verify_{len(self._names)}")
            self._database.run(f"prepare {name} as {statement}")
            self._names[statement] = name
        return self._names[statement]

    def close(self) -> None:
        """Forget them all. Raises DatabaseFailed."""
        for name in self._names.values():
            self._database.run(f"deallocate {name}")
        self._names.clear()
