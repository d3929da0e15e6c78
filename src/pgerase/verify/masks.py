"""Looks at masked and secured views as the sampled viewers: are the rows there that they may read, and every column shown or masked?

And whether anybody who logs in for people may read past the view. Values are compared as text and reported nowhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pgerase.catalog.model import Catalog, Name
from pgerase.compile.desired import DesiredMask
from pgerase.counts import counted
from pgerase.database import Database, identifier
from pgerase.errors import DatabaseFailed, Finding, Severity
from pgerase.meaning import Meaning, Session
from pgerase.meaning.columns import OTHERS, column_grant
from pgerase.rules.access import Resource
from pgerase.rules.conditions import Action
from pgerase.verify.assume import Actor, Cast
from pgerase.verify.blind import Blind, SeenRow
from pgerase.verify.collect import Collector
from pgerase.verify.identity import Identity
from pgerase.verify.model import unseen
from pgerase.verify.subject import Expectations, Governed, example, session_as
from pgerase.verify.viewers import Viewer

Cells = tuple[str | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MaskDesign:
    """A masked or secured view and what is true behind it, as text: keys that everyone may read, the hidden columns' values and masks.

    `unique`: the keys tell rows apart. Without a key they are all columns that are shown, and rows are counted.
    """

    governed: Governed
    mask: DesiredMask
    keys: tuple[str, ...]
    unique: bool
    hidden: tuple[str, ...]
    truth: Mapping[str, tuple[Cells, Cells]]
    """Key and hidden columns of each row compared, by its id."""
    masks: Cells

    @property
    def view(self) -> Name:
        """The view's name."""
        return self.mask.view

    @property
    def what(self) -> str:
        """What is looked at, for the report."""
        return "secured" if self.mask.secured else "masks"


def design_mask(
    database: Database, blind: Blind, governed: Governed, resource: Resource, mask: DesiredMask
) -> MaskDesign | Finding:
    """Read what is behind such a view. Inside the block in which the lookup role is borrowed."""
    table = governed.table
    hidden = tuple(column for column in mask.hidden if column_grant(resource, column, Action.READ) is not None)
    keys = table.key if not set(table.key) & set(hidden) else ()
    unique = bool(keys)
    if not unique and len(governed.compared) != governed.rows.total:
        hint = "Look at all of it: raise --whole, or give it a unique index."
        return unseen(
            str(mask.view), "of a sample, rows of the view cannot be told apart without a key that is shown", hint
        )
    if not unique and mask.secured:
        keys = tuple(column.name for column in table.columns if column.name not in hidden)
    try:
        found = blind.texts(governed.name, (*keys, *hidden))
        masks = tuple(_mask(database, governed, resource, column) for column in hidden)
    except DatabaseFailed as error:
        return unseen(str(mask.view), error.message)
    compared = {row.id for row in governed.compared}
    truth = {one: (cells[: len(keys)], cells[len(keys) :]) for one, cells in found.items() if one in compared}
    return MaskDesign(governed, mask, keys, unique, hidden, truth, masks)


def _mask(database: Database, governed: Governed, resource: Resource, name: str) -> str | None:
    """What is shown in a column's place, as the server prints it as that type."""
    entries = {entry.column: entry for entry in resource.columns}
    own, others = entries.get(name), entries.get(OTHERS)
    source = own if own is not None and (own.read is not None or own.mask is not None) else others
    column = governed.table.column(name)
    if source is None or source.mask is None or column is None:
        return None
    value = source.mask.value
    text = str(value).lower() if isinstance(value, bool) else str(value)
    with database.transaction():
        shown: str = database.value(f"select %s::{column.base_type}::text", [text])
    return shown


class Masks:
    """The comparison of masked and secured views."""

    def __init__(
        self, database: Database, cast: Cast, identity: Identity, expectations: Expectations, collector: Collector
    ) -> None:
        self._database = database
        self._cast = cast
        self._identity = identity
        self._expectations = expectations
        self._collector = collector

    def compare(self, plan: MaskDesign, viewers: Sequence[Viewer]) -> None:
        """One view, for all viewers who are people; of a secured one for sessions without identity too, whose rules it holds."""
        name = str(plan.view)
        actor = next((login for login in self._cast.logins if self._cast.may_read(login, plan.view)), None)
        if actor is None:
            reason = "no login that may read the view may be assumed"
            self._collector.unseen(unseen(name, reason), plan.what)
            return
        rows = shown = masked = 0
        before = self._collector.disagreements
        people = [viewer for viewer in viewers if viewer.role is None]
        roles = [viewer for viewer in viewers if viewer.role is not None] if plan.mask.secured else []
        looked = [(actor, people)]
        looked += [(str(one.role), [one]) for one in roles if self._cast.may_read(str(one.role), plan.view)]
        for role, some in looked:
            try:
                with self._database.transaction(), self._cast.acting(Actor(role)):
                    for viewer in some:
                        self._identity.present(viewer)
                        counts = self._look(plan, viewer, role)
                        rows, shown, masked = rows + counts[0], shown + counts[1], masked + counts[2]
            except DatabaseFailed as error:
                self._collector.unseen(unseen(name, f"as {role}: {error.message}"), plan.what)
                return
        extent = f"{counted(sum(len(some) for _, some in looked), 'viewer')} × {plan.governed.extent}: "
        extent += f"{counted(rows, 'row')} shown" if plan.mask.secured else ""
        extent += ", " if plan.mask.secured and plan.hidden else ""
        extent += f"{counted(shown, 'value')} shown, {masked} masked" if plan.hidden else ""
        self._collector.settled(name, plan.what, extent, before)

    def openings(self, catalog: Catalog, mask: DesiredMask) -> Iterator[Finding]:
        """Logins that may read a hidden column of the table itself, or write what nothing but its view secures."""
        table = catalog.tables[mask.table]
        for login in self._cast.logins:
            if catalog.roles[login].superuser:
                continue
            found = self._database.rows(
                "select a.name from pg_catalog.unnest(%s::pg_catalog.text[]) as a (name)"
                " where pg_catalog.has_column_privilege(%s, %s::pg_catalog.oid, a.name, 'SELECT')",
                [list(mask.hidden), login, table.oid],
            )
            if found:
                columns = ", ".join(row["name"] for row in found)
                message = f"{login} may read {columns} of the table itself, past the masked view {mask.view}"
                hint = "See `pgerase plan`; `pgerase apply` takes the grant back, or says who has to."
                yield Finding("mask-open", Severity.ERROR, str(mask.table), message, hint)
            written = [] if table.kind != "f" else self._database.rows(_WRITES, [login, table.oid] * 2)
            if mask.secured and written:
                message = f"{login} may {', '.join(row['name'] for row in written)} on the table itself, which no policy binds"
                hint = "See `pgerase plan`; `pgerase apply` takes the grant back, or says who has to."
                yield Finding("mask-open", Severity.ERROR, str(mask.table), message, hint)

    def _look(self, plan: MaskDesign, viewer: Viewer, role: str) -> tuple[int, int, int]:
        """Compare one viewer's view; how many rows were shown, and how many values shown and masked."""
        session = session_as(viewer, role)
        visible = self._expectations.allowed(session, plan.governed, Action.READ)
        wanted: dict[str, tuple[Cells, tuple[bool, ...]]] = {}
        for row in plan.governed.compared:
            if row.id in visible and session is not None:
                may = tuple(self._may(self._expectations.meaning, session, plan, row, column) for column in plan.hidden)
                keys, values = plan.truth[row.id]
                cells = tuple(
                    value if shown else mask for value, shown, mask in zip(values, may, plan.masks, strict=True)
                )
                wanted[row.id] = ((*keys, *cells), may)
        found = Counter(self._rows(plan))
        expected = Counter(cells for cells, _ in wanted.values())
        if found != expected:
            self._differ(plan, viewer, wanted, found)
        shown = sum(sum(may) for _, may in wanted.values())
        return len(wanted), shown, len(plan.hidden) * len(wanted) - shown

    def _may(self, meaning: Meaning, session: Session, plan: MaskDesign, row: SeenRow, column: str) -> bool:
        return meaning.column(session, plan.governed.resource, column, Action.READ, row=row.values)

    def _rows(self, plan: MaskDesign) -> list[Cells]:
        """The view's rows, of those compared, as text."""
        columns = (*plan.keys, *plan.hidden)
        listed = ", ".join(f"v.{identifier(column)}::text as c{number}" for number, column in enumerate(columns))
        statement = f"select {listed} from {identifier(plan.view.schema, plan.view.name)} as v"
        parameters: list[object] = []
        if len(plan.governed.compared) != plan.governed.rows.total:
            key = ", ".join(f"v.{identifier(column)}::text" for column in plan.keys)
            statement += f" where array[{key}]::text in (select (u.k::text[])::text from unnest(%s::text[]) as u (k))"
            parameters.append([_array(keys) for keys, _ in plan.truth.values()])
        found = self._database.rows(statement, parameters) if parameters else self._database.rows(statement)
        return [tuple(row[f"c{number}"] for number in range(len(columns))) for row in found]

    def _differ(
        self,
        plan: MaskDesign,
        viewer: Viewer,
        wanted: Mapping[str, tuple[Cells, tuple[bool, ...]]],
        found: Counter[Cells],
    ) -> None:
        """Say which rows are missing or shown otherwise; where there are no keys, that something is."""
        by_key = {cells[: len(plan.keys)]: cells for cells in found} if plan.unique else {}
        labels = {row.id: plan.governed.label(row.values) for row in plan.governed.compared}
        said = False
        for one, (cells, may) in wanted.items() if plan.unique else ():
            got = by_key.pop(cells[: len(plan.keys)], None)
            if got is None:
                self._disagree(plan, viewer, _THROUGH, labels[one], expected=True, found="no such row")
                said = True
                continue
            for column, shown, right, there in zip(
                plan.hidden, may, cells[len(plan.keys) :], got[len(plan.keys) :], strict=True
            ):
                if right != there:
                    outcome = "masked" if shown else "shown"
                    self._disagree(plan, viewer, f"read of {column}", labels[one], expected=shown, found=outcome)
                    said = True
        for _ in by_key:
            self._disagree(plan, viewer, _THROUGH, "(another row)", expected=False, found="shown")
            said = True
        if not said:
            self._disagree(plan, viewer, _THROUGH, "(some row)", expected=True, found="other rows")

    def _disagree(self, plan: MaskDesign, viewer: Viewer, what: str, row: str, *, expected: bool, found: str) -> None:
        one = example(plan.governed, viewer, what, row, expected, (), found)
        self._collector.disagree(plan.what, replace(one, object=str(plan.view)))


_THROUGH = "read through the view"
_WRITES = """
    select p.name
      from pg_catalog.unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) as p (name)
     where pg_catalog.has_table_privilege(%s, %s::pg_catalog.oid, p.name)
        or p.name in ('INSERT', 'UPDATE')
       and pg_catalog.has_any_column_privilege(%s, %s::pg_catalog.oid, p.name)
     order by p.name
"""


def _array(keys: Cells) -> str:
    """An array literal of texts."""
    quoted = ('"' + (key or "").replace("\\", "\\\\").replace('"', '\\"') + '"' for key in keys)
    return "{" + ",".join(quoted) + "}"
