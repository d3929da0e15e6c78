"""Who gains or loses rows by a plan: what comparing the rules proves, and for the rest what live data show.

Live data can show that somebody gains or loses, never that nobody does. Nothing that is said names a person or a row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pgerase.catalog.model import Catalog, Name
from pgerase.compare.model import Basis, Compared, Side
from pgerase.compare.rules import Comparison, Rules
from pgerase.database import Database
from pgerase.errors import Finding, PgeraseError
from pgerase.install.borrow import borrowed
from pgerase.install.names import Names
from pgerase.meaning import Meaning, Session
from pgerase.meaning.decide import Values
from pgerase.plan.model import Ledger, Plan, decoded
from pgerase.plan.objects import Kind
from pgerase.rules.conditions import Action
from pgerase.rules.record import read_rules
from pgerase.verify.blind import Blind, Rows, sample_rows
from pgerase.verify.model import Sample
from pgerase.verify.needs import Needs, find_needs
from pgerase.verify.viewers import Population, sample_viewers

SAMPLE = Sample(viewers=12, rows=50, whole=50, hold=20_000)
"""A plan is looked at while somebody waits."""
_PATIENCE = 10.0
"""Seconds for looking at live data, once they are read."""
_NOBODY = frozenset({"unknown key", "garbage"})
"""Identities that are none see nothing by any rules: whoever asks what people gain or lose does not mean them."""
_WAIT = "5s"
_NOT_RECORDED = "the ledger does not say which rules are in force; it will from the next apply on"
_NOT_SEEN = "live data do not show it"


def compared_plan(
    database: Database,
    plan: Plan,
    catalog: Catalog,
    ledger: Ledger,
    *,
    sample: Sample = SAMPLE,
    solver: bool | None = None,
) -> Plan:
    """The plan with what its rules change for whom; the plan itself where they stay as they are.

    It changes nothing. Never raises for what could not be found out: that is open, with the reason.
    """
    if ledger.rules is None or plan.rules is None:
        return plan
    recorded, wanted = read_rules(ledger.rules), read_rules(plan.rules)
    governed = frozenset(key.table for key in ledger.rows if key.kind is Kind.ROW_SECURITY and key.table is not None)
    before, after = (
        None
        if one is None
        else Rules(
            one.access,
            frozenset(Name(schema, name) for schema, name in one.governed),
            {Name(schema, name): how for schema, name, how in one.opened},
        )
        for one in (recorded, wanted)
    )
    foreign = _foreign(catalog, ledger, before, after)
    comparison = Comparison(before, after, catalog, foreign=foreign)
    compared = comparison.by_shape()
    if before is None and governed:
        # Something is in force, and nobody knows what.
        unknown = Side(None, Basis.OPEN, _NOT_RECORDED)
        compared = tuple(replace(one, gains=unknown, losses=unknown) for one in compared)
    elif any(_is_open(one) for one in compared):
        # Whoever is seen to gain needs no proof that somebody might; looking is quicker than thinking.
        compared = tuple(_seen(database, plan.prefix, catalog, (before, after), compared, foreign, sample))
        compared = comparison.proven(compared, solver=solver)
    return replace(plan, compared=compared)


def _foreign(catalog: Catalog, ledger: Ledger, before: Rules | None, after: Rules | None) -> frozenset[Name]:
    """Tables where others' policies decide while ours do not: there is no telling what these let through."""
    was, will = (frozenset[Name]() if one is None else one.governed for one in (before, after))
    found = {name for name in will - was if catalog.tables[name].rls_enabled}
    for key, row in ledger.rows.items():
        others = key.kind in {Kind.REPLACED_POLICY, Kind.KEPT_POLICY}
        enabled = key.kind is Kind.ROW_SECURITY and bool(decoded(row.undo).get("enabled"))
        if key.table is not None and key.table in was - will and (others or enabled):
            found.add(key.table)
    return frozenset(found)


def _is_open(one: Compared) -> bool:
    return one.gains.answer is None or one.losses.answer is None


# -- live data ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Sides:
    """One side of the comparison over live rows; `meaning` None: nothing is governed."""

    rules: Rules | None
    meaning: Meaning | None
    names: Mapping[Name, str]

    def allows(self, session: Session, table: Name, action: Action, column: str, row: Values) -> bool:
        """What a session may do to a row, or to a column of it that it leaves as it is; for insert, as if the row were new.

        Everything where the table is not governed.
        """
        if self.rules is None or self.meaning is None or table not in self.rules.governed:
            return True
        name = self.names[table]
        if column:
            old, new = (None if action is one else row for one in (Action.INSERT, Action.READ))
            return self.meaning.column(session, name, column, action, row=old, new=new)
        if action is Action.INSERT:
            return self.meaning.decide(session, name, action, new=row)
        return self.meaning.decide(session, name, action, row=row)


def _seen(
    database: Database,
    prefix: str,
    catalog: Catalog,
    rules: tuple[Rules | None, Rules | None],
    compared: Sequence[Compared],
    foreign: frozenset[Name],
    sample: Sample,
) -> Iterator[Compared]:
    """What is open, after a look at live rows."""
    tables = {str(name): name for name in catalog.tables}
    wanted = {tables[one.table] for one in compared if _is_open(one)} - foreign
    try:
        with database.own_statements(), database.trial(isolation="repeatable read"):
            database.run(f"set local lock_timeout = '{_WAIT}'")
            database.run("set local row_security = on")
            look = _Look(database, prefix, catalog, rules, wanted, sample)
            yield from [
                look.settled(one, tables[one.table]) if _is_open(one) and tables[one.table] in wanted else one
                for one in compared
            ]
    except PgeraseError as error:
        # A plan is no worse for it, and says so: without live data what is open stays open.
        yield from (_still_open(one, f"live data could not be read: {error.message}") for one in compared)


def _still_open(one: Compared, why: str) -> Compared:
    def add(side: Side) -> Side:
        return replace(side, why="; ".join(filter(None, (side.why, why)))) if side.answer is None else side

    return replace(one, gains=add(one.gains), losses=add(one.losses))


class _Look:
    """Rows as somebody who sees them all, and both sets of rules over them, in the open transaction."""

    def __init__(
        self,
        database: Database,
        prefix: str,
        catalog: Catalog,
        rules: tuple[Rules | None, Rules | None],
        tables: set[Name],
        sample: Sample,
    ) -> None:
        self._sample = sample
        self._unseen: Finding | None = None
        known = [one for one in rules if one is not None]
        needs = [find_needs(one.access, catalog, one.governed & tables) for one in known]
        names = Names(prefix)
        with borrowed(database, names.lookup):
            read = self._read(Blind(database, catalog, names.lookup), needs, tables)
        now: datetime = database.value("select pg_catalog.statement_timestamp()")
        self._rows = {name: sample_rows(read[name].rows, sample, str(name)) for name in tables if name in read}
        data = {name: [row.values for row in rows.rows] for name, rows in read.items()}
        self._before, self._after = (self._side(one, catalog, data, now) for one in rules)
        self._sessions: dict[Session, None] = {}
        self._populations: list[Population] = []
        self._until = time.monotonic() + _PATIENCE
        for one, need in zip(known, needs, strict=True):
            population = None if one.access.viewers is None else Population(one.access, catalog, data, now)
            self._populations += [] if population is None else [population]
            viewers = sample_viewers(one.access, population, sorted(one.governed & tables), need, sample, "")
            self._sessions |= dict.fromkeys(
                viewer.session for viewer in viewers if viewer.session is not None and viewer.stratum not in _NOBODY
            )

    def _read(self, blind: Blind, needs: Sequence[Needs], tables: set[Name]) -> dict[Name, Rows]:
        columns: dict[Name, frozenset[str]] = {name: frozenset() for name in tables}
        for need in needs:
            for name, found in need.columns.items():
                columns[name] = columns.get(name, frozenset()) | found
        facts = {name for need in needs for name in need.facts}
        read: dict[Name, Rows] = {}
        for name in sorted(columns):
            rows = blind.read(name, columns[name], self._sample, is_fact=name in facts)
            if isinstance(rows, Rows):
                read[name] = rows
            elif name in facts:
                raise PgeraseError(f"{name}: {rows.message}")
        return read

    def _side(
        self, rules: Rules | None, catalog: Catalog, data: Mapping[Name, Sequence[Values]], now: datetime
    ) -> _Sides:
        if rules is None:
            return _Sides(None, None, {})
        names: dict[Name, str] = {}
        for resource in rules.access.resources:
            wanted = resource.table
            found = [one for one in catalog.tables if one.name == wanted.name and wanted.schema in (None, one.schema)]
            names |= dict.fromkeys(found, resource.name)
        return _Sides(rules, Meaning(rules.access, catalog, data, now), names)

    def _is_active(self, session: Session) -> bool:
        """Whether a session's person is active, before and after; for who is not, rights on columns say nothing."""
        if not session.identity:
            return True
        people = [population.people for population in self._populations]
        found = [(one, one.identify(session.identity)) for one in people]
        return all(person is not None and one.is_active(person) for one, person in found)

    def settled(self, one: Compared, table: Name) -> Compared:
        """What is open of one action, as far as a viewer and a row settle it."""
        if table not in self._rows:
            return _still_open(one, "live data could not be read")
        if time.monotonic() > self._until:
            return _still_open(one, "no time was left to look at live data")
        gained = lost = looked = 0
        sessions = [session for session in self._sessions if not one.column or self._is_active(session)]
        for session in sessions:
            for row in self._rows[table]:
                was, will = (
                    side.allows(session, table, one.action, one.column, row.values)
                    for side in (self._before, self._after)
                )
                looked += 1
                gained += will and not was
                lost += was and not will
        return replace(one, gains=_judged(one.gains, gained, looked), losses=_judged(one.losses, lost, looked))


def _judged(side: Side, seen: int, looked: int) -> Side:
    if side.answer is not None:
        return side
    if seen:
        return Side(True, Basis.SEEN, "", seen, looked)
    return replace(side, why="; ".join(filter(None, (side.why, _NOT_SEEN))), looked=looked)
