"""The functions that capture: static PL/pgSQL, one a table and event, called once a statement with all of its rows."""

from __future__ import annotations

from pgerase.catalog.model import Name
from pgerase.catalog.settings import STABLE
from pgerase.compile.audit import values
from pgerase.compile.audit.bound import BoundCapture
from pgerase.compile.audit.changes import Changes
from pgerase.compile.audit.entries import Emptied, OneSide
from pgerase.compile.audit.frame import Frame
from pgerase.compile.audit.pieces import DELETE, INSERT, NEW, OLD, TRUNCATE, UPDATE, Terms, quoted
from pgerase.compile.desired import DesiredFunction
from pgerase.compile.layout import comment, folded
from pgerase.compile.naming import Naming
from pgerase.compile.sql import dollar_tag, fit_name, qualified

_SAID = {
    INSERT: "an entry for each new row",
    UPDATE: "an entry for each row of which something changed that is captured",
    DELETE: "an entry for each row that is gone",
    TRUNCATE: "an entry, which names the partition where it was one",
}


def capture_function(capture: BoundCapture, event: str, terms: Terms, mark: str) -> DesiredFunction:
    """The function for one table and event; `mark` is what its comment says of the columns, for others to read."""
    name = function_name(capture, event, terms.naming)
    order = (
        "" if event == TRUNCATE else " Shorter names come first in rows, as jsonb keeps them: it sorts nothing then."
    )
    said = comment(f"{capture.table.name} ({capture.at}): {_SAID[event]}.{order}")
    body = f"\n{said}{folded(_body(capture, event, terms))}"
    tag = dollar_tag(body)
    looked_at = () if event == TRUNCATE else values.settings(capture.read)
    definition = (
        f"create or replace function {qualified(name)}()\n"
        "    returns trigger\n"
        "    language plpgsql\n"
        "    volatile\n"
        "    security definer\n"
        "    set search_path = pg_catalog, pg_temp\n"
        + "".join(f"    set {setting} = {quoted(STABLE[setting])}\n" for setting in looked_at)
        + f"as {tag}{body}{tag}"
    )
    what = f"Captures {event} of {capture.table.name} ({capture.at}). {mark}"
    return DesiredFunction(name, "", terms.naming.keeper, definition, (), what)


def function_name(capture: BoundCapture, event: str, naming: Naming) -> Name:
    """The name of the function for one table and event."""
    name = capture.table.name
    return Name(naming.log, fit_name(f"capture_{event}_{name.schema}_{name.name}"))


def _body(capture: BoundCapture, event: str, terms: Terms) -> str:
    frame = Frame(capture, terms)
    if event == TRUNCATE:
        return frame.emptied(Emptied(capture, terms).statement(event))
    if event == UPDATE:
        return frame.both_sides(Changes(capture, terms).statement(event))
    return frame.one_side(NEW if event == INSERT else OLD, OneSide(capture, terms).statement(event))
