"""What is compared: the governed tables with the rows looked at, and what the rules mean about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pgerase.catalog.model import Name, Table
from pgerase.counts import counted
from pgerase.meaning import Meaning, Session
from pgerase.meaning.decide import Values
from pgerase.rules.conditions import Action
from pgerase.verify.blind import Rows, SeenRow
from pgerase.verify.model import Counterexample
from pgerase.verify.viewers import Viewer


@dataclass(frozen=True, slots=True, eq=False)
class Governed:
    """A governed table: all rows that were read of it, and those of them that are compared."""

    resource: str
    table: Table
    rows: Rows
    compared: tuple[SeenRow, ...]

    @property
    def name(self) -> Name:
        """The table's name."""
        return self.table.name

    @property
    def extent(self) -> str:
        """How much of it is compared, in words."""
        total, some = self.rows.total, len(self.compared)
        return counted(total, "row") if some == total else f"a sample of {some} of {counted(total, 'row')}"

    def label(self, values: Values) -> str:
        """A row by its key; where it has none, by its place."""
        if not self.table.key:
            return "(a row without key)"
        return ", ".join(f"{column}={values.get(column)}" for column in self.table.key)


class Expectations:
    """What the rules mean, asked for sessions and rows; answers about rows that exist are remembered."""

    def __init__(self, meaning: Meaning) -> None:
        self._meaning = meaning
        self._memo: dict[tuple[int, Session, Action], frozenset[str]] = {}

    @property
    def meaning(self) -> Meaning:
        """What the rules mean, over the rows that were read."""
        return self._meaning

    def allowed(self, session: Session | None, governed: Governed, action: Action) -> frozenset[str]:
        """The compared rows to which the session may do that: read, update (touch it at all) or delete."""
        if session is None:
            return frozenset()
        memo = (id(governed), session, action)
        if memo not in self._memo:
            self._memo[memo] = frozenset(self._find(session, governed, action))
        return self._memo[memo]

    def may_write(
        self,
        session: Session | None,
        governed: Governed,
        action: Action,
        row: Values | None = None,
        new: Values | None = None,
    ) -> bool:
        """`Meaning.decide` about a write; never for sessions that are nobody's."""
        return session is not None and self._meaning.decide(session, governed.resource, action, row=row, new=new)

    def may_hand_over(self, session: Session | None, governed: Governed, column: str, to: str, row: Values) -> bool:
        """`Meaning.may_hand_over`; never for sessions that are nobody's."""
        return session is not None and self._meaning.may_hand_over(session, governed.resource, column, to, row)

    def because(self, session: Session | None, governed: Governed, action: Action, row: Values) -> tuple[str, ...]:
        """What grants it; empty where nothing does."""
        return () if session is None else self._meaning.granted_by(session, governed.resource, action, row)

    def _find(self, session: Session, governed: Governed, action: Action) -> Iterable[str]:
        if len(governed.compared) == governed.rows.total:
            ids: Mapping[int, str] = {id(row.values): row.id for row in governed.compared}
            for values in self._meaning.visible(session, governed.resource, action):
                yield ids[id(values)]
            return
        for row in governed.compared:
            if self._meaning.decide(session, governed.resource, action, row=row.values):
                yield row.id


def session_as(viewer: Viewer, role: str) -> Session | None:
    """The session as the rules know it, when it is held by `role`."""
    if viewer.session is None:
        return None
    return Session(viewer.session.identity, viewer.role or role)


def example(
    governed: Governed, viewer: Viewer, action: str, row: str, expected: bool, because: tuple[str, ...], found: str
) -> Counterexample:
    """A disagreement in words."""
    return Counterexample(
        object=str(governed.name),
        viewer=f"{viewer.stratum} {viewer.label}",
        action=action,
        row=row,
        expected="allowed" if expected else "denied",
        because=because,
        found=found,
    )
