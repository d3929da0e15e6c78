"""Tries handing rows over, as the sampled viewers: the live functions, moved to clones with their view and the live policies."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from pgerase.database import Database
from pgerase.errors import DatabaseFailed
from pgerase.rules.access import AccessRules
from pgerase.rules.conditions import Action
from pgerase.verify.assume import Actor, Cast
from pgerase.verify.blind import SeenRow
from pgerase.verify.clones import Clone, HandOvers, Wanted
from pgerase.verify.collect import Collector
from pgerase.verify.live import Identity
from pgerase.verify.model import Sample, unseen
from pgerase.verify.probes import attempt
from pgerase.verify.statements import Statements
from pgerase.verify.subject import Expectations, Governed, example, session_as
from pgerase.verify.viewers import Population, Viewer

WHAT = "hand over"
_RECIPIENTS = 3


@dataclass(frozen=True, slots=True)
class HandOverDesign:
    """The rows of one table's clone, the columns that are handed over, who tries it, and to whom (keys as text)."""

    governed: Governed
    columns: tuple[str, ...]
    rows: tuple[SeenRow, ...]
    viewers: tuple[Viewer, ...]
    recipients: tuple[str, ...]

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """Each row as it is: where the calls take its key from."""
        return tuple(Wanted(number) for number in range(len(self.rows)))


def design_hand_over(
    access: AccessRules,
    governed: Governed,
    population: Population,
    viewers: Sequence[Viewer],
    expectations: Expectations,
    sample: Sample,
    role: str,
) -> HandOverDesign | None:
    """For a few viewers rows that they may update and rows they may not, and people of every kind; None where nothing is handed over."""
    resource = access.resource(governed.resource)
    if not resource.hand_over:
        return None
    draw = random.Random(f"{sample.seed} {governed.name} {WHAT}")  # noqa: S311 - a sample, not a secret
    shuffled = list(governed.compared)
    draw.shuffle(shuffled)

    def mine(viewer: Viewer) -> frozenset[str]:
        return expectations.allowed(session_as(viewer, role), governed, Action.UPDATE)

    ranked = sorted(viewers, key=lambda viewer: -min(len(mine(viewer)), len(shuffled) - len(mine(viewer))))
    chosen = [*ranked[: sample.writers], *(one for one in ranked[sample.writers :] if one.presented is None)]
    rows: dict[str, SeenRow] = {}
    for viewer in chosen:
        for inside in (True, False):
            picked = [row for row in shuffled if (row.id in mine(viewer)) is inside][: sample.probes // 2 or 1]
            rows |= {row.id: row for row in picked}
    people = population.people
    everybody = [row for row in population.rows if people.key(row).value is not None]
    draw.shuffle(everybody)
    active = [population.key(row) for row in everybody if people.is_active(row)]
    others = [population.key(row) for row in everybody if not people.is_active(row)]
    recipients = (*active[:_RECIPIENTS], *others[:1])
    return HandOverDesign(
        governed, tuple(one.column for one in resource.hand_over), tuple(rows.values()), tuple(chosen), recipients
    )


class HandOverProbes:
    """Carries such designs out."""

    def __init__(
        self,
        database: Database,
        statements: Statements,
        cast: Cast,
        identity: Identity,
        expectations: Expectations,
        collector: Collector,
    ) -> None:
        self._database = database
        self._statements = statements
        self._cast = cast
        self._identity = identity
        self._expectations = expectations
        self._collector = collector

    def carry_out(self, plan: HandOverDesign, clone: Clone, functions: HandOvers, actor: Actor) -> None:
        """Hand every row to every recipient, as every viewer."""
        name = str(plan.governed.name)
        done = [0, 0]
        for viewer in plan.viewers:
            role = Actor(viewer.role) if viewer.role is not None else actor
            if viewer.role is not None and not self._cast.may_assume(viewer.role):
                continue  # reported where the role's reads are
            try:
                with self._database.transaction(), self._cast.acting(role):
                    self._identity.present(viewer)
                    for column in plan.columns:
                        statement = functions.call(clone, column)
                        for number in range(len(plan.rows)):
                            for to in plan.recipients:
                                done[self._try(plan, viewer, statement, role.role, column, number, to)] += 1
            except DatabaseFailed as error:
                self._collector.unseen(unseen(name, f"{WHAT}, as {viewer.label}: {error.message}"), WHAT)
                return
        self._collector.settle(name, WHAT, f"{done[True]} allowed and {done[False]} denied, on a clone")

    def _try(
        self, plan: HandOverDesign, viewer: Viewer, statement: str, role: str, column: str, number: int, to: str
    ) -> bool:
        """One try; whether the rules allow it."""
        values = plan.rows[number].values
        may = self._expectations.may_hand_over(session_as(viewer, role), plan.governed, column, to, values)
        done = attempt(self._database, self._statements, statement, number, to) is not None
        if done is not may:
            row = f"{plan.governed.label(values)} by {column}"
            self._collector.disagree(
                WHAT, example(plan.governed, viewer, WHAT, row, may, (), "done" if done else "refused")
            )
        return may
