"""Whether guards stand, fire, and judge a writer by the state before his statement: what trying writes on clones cannot show. Pure.

Which columns decide about people is read off the rules, not off compiler or ledger: so a guard that was applied wrongly is found
as well as one that was altered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Name, Routine, Table, Trigger
from pgerase.check.own import Own
from pgerase.errors import Finding, Severity
from pgerase.render.fragments import quote_identifier

FIRES = frozenset({"O", "A"})
"""pg_trigger.tgenabled of triggers that fire in ordinary sessions; R fires in replicas only, D never."""
_VOLATILE = "v"
_WORD = re.compile(r"\w+")
_HINT = "See `pgerase plan`; `pgerase apply` puts it right."


_EVERY_WRITE = "AFTER INSERT OR DELETE OR UPDATE"


@dataclass(frozen=True, slots=True)
class Restricted:
    """The columns of a table that not everyone may write, and those that are hidden from some."""

    written: tuple[str, ...]
    hidden: tuple[str, ...]


def misshapen(catalog: Catalog, guarded: Mapping[Name, tuple[str, ...]], prefix: str) -> Iterator[Finding]:
    """A finding for every table or leaf with guarded columns whose guard is missing, does not fire, or sees its own statement."""
    look = _Look(catalog, Own(prefix))
    for name, columns in sorted(guarded.items()):
        for table in (catalog.tables[one] for one in (name, *catalog.leaves(name))):
            # No trigger can guard a foreign table or materialized view, which compile says.
            if columns and table.has_row_security:
                yield from look.at(
                    table, f"{', '.join(columns)}, which decide about people", _EVERY_WRITE, "all writes"
                )


def misshapen_columns(catalog: Catalog, restricted: Mapping[Name, Restricted], prefix: str) -> Iterator[Finding]:
    """The same for columns that not everyone may write, or read: these have a trigger each."""
    look = _Look(catalog, Own(prefix))
    for name, columns in sorted(restricted.items()):
        top = catalog.tables[name]
        for table in (top, *(catalog.tables[one] for one in catalog.leaves(name))):
            if columns.written:
                yield from look.at(table, ", ".join(columns.written), "AFTER INSERT OR UPDATE", "writes")
            if columns.written and top.kind == "p":
                yield from look.at(table, ", ".join(columns.written), "BEFORE UPDATE", "rows that change partition")
            for column in columns.hidden:
                event = f"{'BEFORE' if top.kind == 'p' else 'AFTER'} UPDATE OF {quote_identifier(column)}"
                yield from look.at(table, column, event, "updates")


class _Look:
    """One snapshot."""

    def __init__(self, catalog: Catalog, own: Own) -> None:
        self._catalog = catalog
        self._own = own
        self._routines = {routine.oid: routine for routine in catalog.routines if own.made_routine(routine)}

    def at(self, table: Table, columns: str, event: str, watched: str) -> Iterator[Finding]:
        """What is wrong with the guard for some events of one table or leaf."""
        whole = [
            trigger
            for trigger in table.triggers
            if trigger.function.schema == self._own.schema and _watches(table, trigger, event)
        ]
        if not whole:
            yield _error("guard-missing", table.name, f"no guard watches {watched} of {columns}")
            return
        firing = [trigger for trigger in whole if trigger.enabled in FIRES]
        if not firing:
            yield _error("guard-disabled", table.name, f"the guard of {columns} is switched off: it does not fire")
            return
        volatile = sorted({str(routine.name) for trigger in firing for routine in self._volatile(trigger)})
        if volatile:
            message = (
                f"the guard of {columns} asks {', '.join(volatile)}, which is volatile and so sees what the statement has"
                " just written: who promotes himself is found promoted"
            )
            yield _error("guard-volatile", table.name, message)

    def _volatile(self, trigger: Trigger) -> Iterator[Routine]:
        """The guard's function and every function of ours that it asks, directly or through others and views, if volatile."""
        frontier = [routine for routine in self._routines.values() if routine.name == trigger.function]
        seen = {routine.oid for routine in frontier}
        while frontier:
            routine = frontier.pop()
            if routine.volatility == _VOLATILE:
                yield routine
            asked = [self._routines[oid] for oid in self._asked(routine) - seen if oid in self._routines]
            seen |= {one.oid for one in asked}
            frontier += asked

    def _asked(self, routine: Routine) -> frozenset[int]:
        if routine.reads is None:
            # What the server does not know of a body that is text: any function of ours that it names.
            words = frozenset(_WORD.findall(routine.definition))
            return frozenset(oid for oid, other in self._routines.items() if other.name.name in words)
        views = [self._catalog.views[name] for name in routine.reads if name in self._catalog.views]
        return frozenset(routine.calls).union(*(view.calls for view in views))


def _watches(table: Table, trigger: Trigger, event: str) -> bool:
    """Whether it is a row trigger for exactly that event, without WHEN, and not deferrable."""
    on = f"{quote_identifier(table.name.schema)}.{quote_identifier(table.name.name)}"
    wanted = f"{quote_identifier(trigger.name)} {event} ON {on} FOR EACH ROW EXECUTE FUNCTION "
    return trigger.definition.startswith(f"CREATE TRIGGER {wanted}")


def _error(code: str, table: Name, message: str) -> Finding:
    return Finding(code, Severity.ERROR, str(table), message, _HINT)
