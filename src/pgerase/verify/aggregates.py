"""Looks at aggregates as the sampled viewers: are there the groups that the rules mean, and no other, with the numbers they come to?

The numbers are computed from the rows, in exact arithmetic, by `meaning`. Neither keys of groups nor numbers are reported.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from pgerase.catalog.model import Name
from pgerase.counts import counted
from pgerase.database import Database, identifier
from pgerase.errors import PgeraseError
from pgerase.meaning.aggregates import Groups, Key, Told
from pgerase.rules.access import Aggregate
from pgerase.verify.assume import Actor, Cast
from pgerase.verify.collect import Collector
from pgerase.verify.identity import Identity
from pgerase.verify.model import Counterexample, unseen
from pgerase.verify.subject import Expectations, Governed, session_as
from pgerase.verify.viewers import Viewer

WHAT = "aggregates"
_CLOSE = 1e-9
"""Relative: averages end somewhere, and sums of floats depend on their order."""


class AggregateLooks:
    """The comparison of aggregates."""

    def __init__(
        self,
        database: Database,
        api: str,
        cast: Cast,
        identity: Identity,
        expectations: Expectations,
        collector: Collector,
    ) -> None:
        self._database = database
        self._api = api
        self._cast = cast
        self._identity = identity
        self._expectations = expectations
        self._collector = collector

    def compare(self, aggregate: Aggregate, governed: Governed, viewers: Sequence[Viewer]) -> None:
        """One aggregate, for all viewers who are people."""
        view = Name(self._api, aggregate.name)
        if not governed.rows.whole:
            why = f"{governed.rows.total} rows of {governed.name} are more than are held in memory, and all are counted"
            self._collector.unseen(unseen(str(view), why, "Allow more with --hold."), WHAT)
            return
        actor = next((login for login in self._cast.logins if self._cast.may_read(login, view)), None)
        if actor is None:
            self._collector.unseen(unseen(str(view), "no login that may read the view may be assumed"), WHAT)
            return
        people = [viewer for viewer in viewers if viewer.role is None]
        shown = readers = 0
        try:
            with self._database.transaction(), self._cast.acting(Actor(actor)):
                for viewer in people:
                    self._identity.present(viewer)
                    groups = self._look(aggregate, view, viewer, actor)
                    shown, readers = shown + groups, readers + (groups > 0)
        except PgeraseError as error:
            if self._database.closed:
                raise
            message = f"as {actor}: {error.message}"
            self._collector.unseen(unseen(str(view), message), WHAT)
            return
        extent = f"{counted(len(people), 'viewer')} × {counted(governed.rows.total, 'row')}: {counted(shown, 'group')} shown to {readers} of them"
        self._collector.settle(str(view), WHAT, extent)

    def _look(self, aggregate: Aggregate, view: Name, viewer: Viewer, role: str) -> int:
        """Compare what one viewer is shown; how many groups should be there."""
        session = session_as(viewer, role)
        meaning = self._expectations.meaning
        expected: Groups = {} if session is None else meaning.aggregate(session, aggregate.name)
        names = [*(key.name for key in aggregate.by), *(value.name for value in aggregate.values)]
        listed = ", ".join(f"v.{identifier(name)} as c{number}" for number, name in enumerate(names))
        rows = self._database.rows(f"select {listed} from {identifier(view.schema, view.name)} as v")
        keys = len(aggregate.by)
        found: dict[Key, tuple[object, ...]] = {}
        for row in rows:
            cells = [row[f"c{number}"] for number in range(len(names))]
            key = meaning.aggregate_key(aggregate.name, cells[:keys])
            if key in found:
                self._disagree(view, viewer, "a group", "shown once", "shown twice")
            found[key] = tuple(cells[keys:])
        for key in expected.keys() - found.keys():
            self._disagree(view, viewer, _group(key), "shown", "not shown")
        for key in found.keys() - expected.keys():
            self._disagree(view, viewer, _group(key), "not shown", "shown")
        for key in expected.keys() & found.keys():
            for value, right, there in zip(aggregate.values, expected[key], found[key], strict=True):
                if not _same(right, there):
                    self._disagree(view, viewer, f"{value.name} of {_group(key)}", _said(right), _said(there))
        return len(expected)

    def _disagree(self, view: Name, viewer: Viewer, what: str, expected: str, found: str) -> None:
        who = f"{viewer.stratum} {viewer.label}"
        self._collector.disagree(WHAT, Counterexample(str(view), who, "read", what, expected, (), found))


def _group(key: Key) -> str:
    return "a group" if key else "the group of all rows"


def _said(value: object) -> str:
    return "nothing" if value is None else "a number"


def _same(expected: Told, found: object) -> bool:
    if expected is None or not isinstance(found, int | float | Decimal):
        return expected is None and found is None
    if isinstance(expected, float) or not math.isfinite(found):
        return (math.isnan(expected) and math.isnan(found)) or float(expected) == float(found)
    return abs(Fraction(found) - expected) <= abs(expected) * Fraction(_CLOSE)
