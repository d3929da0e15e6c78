"""Binds what `audit.yaml` captures to a catalog. What cannot be captured is refused by name and place, never left out in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import ceil

from pgerase.catalog.model import Catalog, Column, Name, Table
from pgerase.compile.audit.bound import Apart, BoundCapture, LogClass, Whose
from pgerase.compile.bind_names import NameBinder
from pgerase.compile.erasure.bind import SPELLED_ONE_WAY
from pgerase.compile.erasure.bound import BoundMap, BoundMappedTable, BoundSubject
from pgerase.compile.types import INTEGERS, type_of
from pgerase.counts import counted
from pgerase.errors import Finding, Severity
from pgerase.rules.audit import AuditRules, Capture, PersonalColumn

DEFAULT_CLASS = "default"
SUPPORT_CLASS = "support"
MOST_SELECTED = 1664
"""So many columns has a SELECT at most (MaxTupleAttributeNumber)."""


def bind_captures(
    rules: AuditRules, bound_map: BoundMap | None, catalog: Catalog
) -> tuple[tuple[BoundCapture, ...], tuple[Finding, ...]]:
    """Bind the tables that are captured. What could not be bound is left out of the result and named in the findings."""
    binder = _CaptureBinder(rules, bound_map, catalog)
    made = tuple(one for capture in rules.captures if (one := binder.capture(capture)) is not None)
    return made, tuple(binder.findings)


def class_name(table: Name) -> str:
    """The class of a table that has a length of its own."""
    return str(table)


class _CaptureBinder(NameBinder):
    def __init__(self, rules: AuditRules, bound_map: BoundMap | None, catalog: Catalog) -> None:
        super().__init__(catalog)
        self._rules = rules
        self._map = bound_map
        self._subjects: Mapping[str, BoundSubject] = bound_map.subjects if bound_map is not None else {}
        self._taken: dict[Name, Name] = {}

    def capture(self, capture: Capture) -> BoundCapture | None:
        """One table, or None where a finding was recorded instead."""
        return self.attempt(lambda: self._capture(capture))

    def _capture(self, capture: Capture) -> BoundCapture:
        table = self._table(capture)
        leaves = tuple(self.catalog.tables[name] for name in self.catalog.leaves(table.name))
        self._check_family(table, leaves, capture)
        self._note_moves(table, capture)
        key = tuple(self.column(table, name, capture.at) for name in table.primary_key)
        if not key:
            message = f"{table.name} has no primary key: an entry could not say which row it is about"
            raise self.fail("no-key", str(table.name), message, capture.at, "Add a primary key, or do not capture it.")
        excluded, masked = (
            {self.column(table, one.column, one.at): one.at for one in listed}
            for listed in (capture.excluded, capture.masked)
        )
        left_out = excluded | masked
        for column in key:
            if column in left_out:
                message = f"{table.name}.{column.name} is part of the key: without it an entry says nothing"
                hint = "Leave it captured; if it is somebody's own, keep it apart under personal:."
                self.fail("key-left-out", f"{table.name}.{column.name}", message, left_out[column], hint)
        apart = self._apart(table, capture)
        personal = {column for group in apart for column in group.columns}
        columns = tuple(
            column
            for column in table.columns
            if column not in {*left_out, *personal} and not self._is_virtual(table, column, capture)
        )
        self._check_personal(table, columns, capture)
        keep = self._keep(table, capture, apart)
        bound = BoundCapture(table, leaves, key, columns, tuple(masked), apart, tuple(excluded), keep, capture.at)
        self._check_width(bound)
        return bound

    def _check_width(self, capture: BoundCapture) -> None:
        """Functions are made without a look at their statements: the first UPDATE would fail."""
        over = capture.widest - MOST_SELECTED
        if over > 0:
            name = str(capture.table.name)
            message = (
                f"{name} has too many captured columns for PostgreSQL: of each an update needs what it was, what it is and"
                f" whether it changed, {capture.widest} in all, and a SELECT has {MOST_SELECTED} at most"
            )
            hint = f"Name {counted(ceil(over / 3), 'column')} under except:, or {counted(ceil(over / 2), 'column')} under mask:."
            raise self.fail("too-many-columns", name, message, capture.at, hint)

    # Tables -------------------------------------------------------------------------------------------------------

    def _table(self, capture: Capture) -> Table:
        wanted = capture.table
        views = [
            name
            for name, view in self.catalog.views.items()
            if view.kind == "v" and name.name == wanted.name and wanted.schema in (None, name.schema)
        ]
        if views:
            message = f"{views[0]} is a view: what is written through it is captured where it arrives"
            raise self.fail("captured-view", str(views[0]), message, capture.at, "Capture the tables it writes to.")
        return self.table(wanted, capture.at)

    def _check_family(self, table: Table, leaves: tuple[Table, ...], capture: Capture) -> None:
        """Refuses what statement triggers with transition tables cannot see whole."""
        at, name = capture.at, str(table.name)
        if table.kind not in ("r", "p"):
            what = {"f": "a foreign table", "m": "a materialized view"}.get(table.kind, "no table")
            raise self.fail("not-capturable", name, f"{name} is {what}: triggers see nothing of its rows", at)
        if table.parents:
            top = table.parents[0]
            message = f"{name} is below {top}: what is written through {top} fires no trigger of it"
            raise self.fail("captured-leaf", name, message, at, f"Capture {top}, which covers everything below it.")
        for one in leaves:
            if one.kind == "f":
                message = f"{one.name}, below {name}, is a foreign table: writes through {name} could not be captured"
                raise self.fail(
                    "foreign-leaf", name, message, at, "Take it out of the hierarchy, or do not capture it."
                )
        for one in (table, *leaves):
            if one.name in self._taken:
                earlier = self._taken[one.name]
                if earlier == table.name:
                    message = f"{name} is named twice under capture:, with its schema and without"
                    raise self.fail("captured-twice", name, message, at, "Name it once.")
                message = f"{one.name} is below both {earlier} and {name}: what happens to its rows would be written down twice"
                hint = f"Capture one of them only, and say of the other why not: uncaptured: {{{name}: …}}."
                raise self.fail("captured-twice", str(one.name), message, at, hint)
            self._taken[one.name] = table.name
            if one.persistence == "u":
                message = f"{one.name} is unlogged: after a crash it is empty, and the log does not say so"
                self.warn("captured-unlogged", str(one.name), message, at)

    def _note_moves(self, table: Table, capture: Capture) -> None:
        if table.kind == "p":
            message = (
                f"{table.name} is partitioned: of a row that MERGE moves to another partition the server shows triggers"
                " nothing, or only what became of it; UPDATE is captured whole"
            )
            self.findings.append(Finding("merge-moves", Severity.NOTE, str(table.name), message, "", capture.at))

    def _is_virtual(self, table: Table, column: Column, capture: Capture) -> bool:
        """Virtual columns are computed when they are read, and triggers are not shown them."""
        if column.generated != "v":
            return False
        message = (
            f"{table.name}.{column.name} is computed when it is read: what it is computed from is captured, it is not"
        )
        self.findings.append(
            Finding("virtual-column", Severity.NOTE, f"{table.name}.{column.name}", message, "", capture.at)
        )
        return True

    # People -------------------------------------------------------------------------------------------------------

    def _apart(self, table: Table, capture: Capture) -> tuple[Apart, ...]:
        """The columns that are kept apart, by the person they are of; in the order of the file."""
        groups: dict[Whose, list[Column]] = {}
        for personal in capture.personal:
            column = self.attempt(lambda personal=personal: self.column(table, personal.column, personal.at))
            whose = self.attempt(lambda personal=personal: self._whose(table, personal))
            if column is None or whose is None:
                continue
            if column.generated == "v":
                message = f"{table.name}.{column.name} is computed when it is read: triggers are not shown it"
                self.fail(
                    "virtual-column", f"{table.name}.{column.name}", message, personal.at, "Name it under except:."
                )
            groups.setdefault(whose, []).append(column)
        return tuple(Apart(whose, tuple(columns)) for whose, columns in groups.items())

    def _whose(self, table: Table, personal: PersonalColumn) -> Whose:
        held = self.column(table, personal.whose, personal.whose_at)
        where = f"{table.name}.{personal.whose}"
        found = {one for one in self._links(table) if held in one.columns and personal.subject in (None, one.subject)}
        subject = self._subjects.get(personal.subject or "")
        if not found and subject is not None and len(subject.key) == 1:
            found = {Whose(subject.name, (held,))}
        if not found:
            message = f"{where} holds no key of a person, as far as the data map says"
            hint = (
                "Name the column with the person's key; where the map has no link for it, the kind of person as well."
            )
            raise self.fail("not-a-link", where, message, personal.whose_at, hint)
        if len(found) > 1:
            kinds = ", ".join(sorted({one.subject for one in found}))
            message = f"{where} is a key of several kinds of people ({kinds}), or part of several keys"
            raise self.fail(
                "ambiguous-subject", where, message, personal.whose_at, f"Write {{SUBJECT: {personal.whose}}}."
            )
        whose = found.pop()
        self._check_spelling(table, whose, self._subjects[whose.subject], personal)
        return whose

    def _links(self, table: Table) -> Iterator[Whose]:
        """The people that a row of the table itself names by their keys."""
        for subject in self._subjects.values():
            if subject.table.name == table.name:
                yield Whose(subject.name, subject.key)
        mapped = self._mapped(table)
        for link in mapped.links if mapped is not None else ():
            if link.path.is_direct and link.path.identifier is None:
                columns = [table.column(name) for name in link.path.columns]
                yield Whose(link.subject, tuple(column for column in columns if column is not None))

    def _mapped(self, table: Table) -> BoundMappedTable | None:
        return self._map.tables.get(table.name) if self._map is not None else None

    def _check_spelling(self, table: Table, whose: Whose, subject: BoundSubject, personal: PersonalColumn) -> None:
        """A key is found again by its text: both sides have to be spelled alike."""
        for mine, theirs in zip(whose.columns, subject.key, strict=True):
            alike = {type_of(mine).base, type_of(theirs).base}
            if len(alike) > 1 and not alike <= set(INTEGERS) and not alike <= {"text", "character varying"}:
                message = (
                    f"{table.name}.{mine.name} is of type {mine.type}, and the key of {subject.name} of {theirs.type}"
                )
                self.fail(
                    "key-type", f"{table.name}.{mine.name}", message, personal.whose_at, "Make them the same type."
                )
            elif theirs.base_type not in SPELLED_ONE_WAY:
                message = f"keys of type {theirs.type} are not spelled in one way: {subject.name}.{theirs.name}"
                self.fail("key-type", f"{table.name}.{mine.name}", message, personal.whose_at)

    def _check_personal(self, table: Table, columns: Iterable[Column], capture: Capture) -> None:
        """What the data map treats is somebody's: in an entry it would outlive the person's erasure."""
        mapped = self._mapped(table)
        for column in columns:
            treated = mapped.columns.get(column.name) if mapped is not None else None
            if treated is None:
                continue
            message = (
                f"{table.name}.{column.name} is personal ({treated.at}), and audit.yaml does not say what becomes of it:"
                " erasing the person would leave it in the log"
            )
            hint = f"Keep it apart (personal: {{{column.name}: KEY_COLUMN}}), or name it under mask: or except:."
            self.fail("captured-personal", f"{table.name}.{column.name}", message, capture.at, hint)

    # How long -----------------------------------------------------------------------------------------------------

    def _keep(self, table: Table, capture: Capture, apart: tuple[Apart, ...]) -> LogClass:
        keep, name = self._rules.log.keep, DEFAULT_CLASS
        if capture.keep is not None:
            keep, name = capture.keep, class_name(table.name)
        if not keep.profiles:
            return LogClass(name)
        whose = next((group.whose for group in apart), None)
        whose = whose or next(self._links(table), None)
        if whose is None:
            message = f"nothing says whose rows {table.name} holds: lengths by profile do not apply to it"
            self.findings.append(Finding("no-profile", Severity.NOTE, str(table.name), message, "", capture.at))
            return LogClass(name)
        return LogClass(name, tuple((one.profile, f"{name}.{one.profile}") for one in keep.profiles), whose)
