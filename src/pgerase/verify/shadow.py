"""Tables in mode shadow: what every kind of viewer sees now, and what the rules would show. It changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pgerase.counts import counted
from pgerase.database import Database, identifier
from pgerase.errors import DatabaseFailed
from pgerase.install.borrow import acting_as
from pgerase.rules.conditions import Action
from pgerase.verify.assume import Cast
from pgerase.verify.blind import ROW_ID
from pgerase.verify.collect import Collector
from pgerase.verify.model import ShadowCount, Verdict, unseen
from pgerase.verify.subject import Expectations, Governed, session_as
from pgerase.verify.viewers import Viewer


def compare_shadow(
    database: Database,
    cast: Cast,
    expectations: Expectations,
    tables: Sequence[Governed],
    viewers: Sequence[Viewer],
    collector: Collector,
) -> tuple[ShadowCount, ...]:
    """A count a table and stratum: rows that an application login sees now, that the viewers would see, gain and lose."""
    counts: list[ShadowCount] = []
    for governed in tables:
        now = _visible_now(database, cast, governed)
        if now is None:
            reason = "what an application login sees of it now: none may select from it and be assumed"
            collector.unseen(unseen(str(governed.name), reason), "shadow")
            continue
        login, seen = now
        strata: defaultdict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
        for viewer in viewers:
            then = expectations.allowed(session_as(viewer, login), governed, Action.READ)
            strata[viewer.stratum].append((len(seen), len(then), len(then - seen), len(seen - then)))
        for stratum, found in strata.items():
            sums = [sum(column) for column in zip(*found, strict=True)]
            counts.append(ShadowCount(str(governed.name), stratum, len(found), len(governed.compared), *sums))
        collector.looked(
            str(governed.name),
            "shadow",
            f"{counted(len(viewers), 'viewer')} × {governed.extent}, as {login}",
            Verdict.OK,
        )
    return tuple(counts)


def _visible_now(database: Database, cast: Cast, governed: Governed) -> tuple[str, frozenset[str]] | None:
    """The first login that may select from the table, and the rows it sees."""
    compared = frozenset(row.id for row in governed.compared)
    for login in cast.logins:
        if not cast.has_rights(login, governed.table, update=False):
            continue
        if not governed.table.rls_enabled:
            return login, compared
        if not cast.may_assume(login):
            continue
        table = identifier(governed.name.schema, governed.name.name)
        try:
            with database.transaction(), acting_as(database, login):
                found = database.rows(f"select {ROW_ID} as id from {table} as t")
        except DatabaseFailed:
            continue
        return login, frozenset(row["id"] for row in found) & compared
    return None
