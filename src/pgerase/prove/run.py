"""prove: one transaction in which everything is searched and nothing is kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from pgerase import resources
from pgerase.catalog.model import Name
from pgerase.compile.sql import ident, qualified
from pgerase.database import Database
from pgerase.errors import DatabaseFailed, InternalError, Refused
from pgerase.install.borrow import acting_as
from pgerase.install.names import Names
from pgerase.prove.access import Column, Reading, Relation, Rights, Unit, assign, grouped
from pgerase.prove.families import nothing_to_search
from pgerase.prove.model import Needle, Place, PlaceKind, ProofReport, Step, Verdict
from pgerase.prove.needles import add_words, load
from pgerase.prove.queries import Filter, Living, Source, Text, column, joined, only, scan, through
from pgerase.prove.statistics import rebuild_statistics, search_statistics
from pgerase.prove.subject import (
    Looked,
    find_subject,
    has_personal_key,
    identifier_names,
    living,
    look_for,
    normal_key,
    own_identifiers,
)
from pgerase.prove.verdicts import Found, Judge
from pgerase.render.environment import render
from pgerase.rules.data_map import Subject
from pgerase.rules.pack import Pack

__all__ = ["identifier_names", "prove"]

_SETTINGS = {
    # Where a role has it off, reading a table whose policies bind it is an error, even if they hide nothing.
    "row_security": "on",
    "standard_conforming_strings": "on",
    # Bytes that are text stand in the escape format as such.
    "bytea_output": "escape",
    # As a dump has them; moments in UTC, whatever zone the role has.
    "datestyle": "ISO, MDY",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "client_min_messages": "warning",
    # One server process, as a dump has: others are working.
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
}
_SET = "select pg_catalog.set_config(%s, %s, true)"
_MOST_TEXTS = 400
"""Columns of one scan; a query may return 1664 expressions."""
_IDENTIFIERS = 10_000
"""Numbers of texts from here on are the identifiers of other people in the subject's table."""
_CANCELLED = "57014"
_IMPATIENT = "55P03"


def _quiet(_: Step) -> None:
    """Nobody wants to know how far it is."""


def prove(
    database: Database,
    pack: Pack,
    subject: str,
    needles: Sequence[Needle],
    *,
    analyze: bool = False,
    progress: Callable[[Step], None] = _quiet,
) -> ProofReport:
    """Search the whole database for identifiers of people who were erased, given again; what was not looked at is never clean.

    `analyze`: afterwards, rebuild statistics that nobody could look at. Nothing else is changed, nothing given is kept, and no
    statement, error or report holds a value. Raises UsageError for an unknown subject or
    identifier and for a value that cannot be searched for, Refused without a data map, where the subject's table is missing and in
    a database that is not UTF8, DatabaseFailed where the search cannot go on.
    """
    if database.in_transaction:
        raise InternalError("prove opens a transaction of its own")
    declared = find_subject(pack, subject)
    looked = look_for(declared, needles)
    run = _Run(database, pack, declared, looked, progress)
    with _without_values():
        with database.trial(isolation="repeatable read"):
            report = run.report()
        report = run.unless_changed(report)
        return _rebuilt(database, report, run.hidden) if analyze and run.hidden else report


def _rebuilt(database: Database, report: ProofReport, hidden: Iterable[Name]) -> ProofReport:
    names = {qualified(name) for name in rebuild_statistics(database, hidden)}
    places = tuple(
        replace(place, verdict=Verdict.CLEAN, reason="built anew from the rows that were searched")
        if place.kind is PlaceKind.STATISTICS and place.verdict is Verdict.UNVERIFIED and place.relation in names
        else place
        for place in report.places
    )
    return replace(report, places=places)


@contextmanager
def _without_values() -> Generator[None]:
    """The server's messages may quote what they are about; ours say what kind of failure it was, and no more."""
    try:
        yield
    except DatabaseFailed as error:
        code = error.sqlstate or "the connection failed"
        message = "the search was cancelled" if code == _CANCELLED else f"the search cannot go on ({code})"
        raise DatabaseFailed(message, sqlstate=error.sqlstate) from None


@dataclass(slots=True)
class _Rows:
    """What the scans found: by relation and column, whose identifiers others have too, and where nobody could look."""

    found: defaultdict[tuple[int, str], list[Found]] = field(
        default_factory=lambda: defaultdict[tuple[int, str], list[Found]](list)
    )
    others: defaultdict[int, int] = field(default_factory=lambda: defaultdict[int, int](int))
    others_unknown: bool = False
    failed: dict[tuple[int, str], str] = field(default_factory=dict[tuple[int, str], str])


class _Run:
    """One search of one database."""

    def __init__(
        self,
        database: Database,
        pack: Pack,
        subject: Subject,
        looked: Sequence[Looked],
        progress: Callable[[Step], None],
    ) -> None:
        self._database = database
        self._pack = pack
        self._subject = subject
        self._looked = looked
        self._progress = progress
        self._persons = tuple(dict.fromkeys(one.person for one in looked))
        self._filter = Filter(0, probe=False)
        self._rows = _Rows()
        self._oids: dict[tuple[PlaceKind, str], int] = {}
        self._readers: dict[int, tuple[str, int]] = {}
        self._rights: dict[tuple[str, int], Rights] = {}
        self._borrowed: list[str] = []
        self.hidden: frozenset[Name] = frozenset()

    def report(self) -> ProofReport:
        """Search everything, inside the transaction."""
        database = self._database
        for name, value in _SETTINGS.items():
            database.rows(_SET, [name, value])
        self._filter = load(database, self._looked, (normal_key(self._subject, person) for person in self._persons))
        relations = self._relations()
        if any(one.is_words for relation in relations for one in relation.columns):
            add_words(database)
        table = self._subject_table(relations)
        ancestors = self._ancestors()
        persons_in = (
            {table.oid, *(oid for oid, above in ancestors.items() if table.oid in above)} if table else set[int]()
        )
        roles, reading = self._assign(relations, ancestors)
        self._readers = {unit.relation.oid: (unit.role, (unit.ancestor or unit.relation).oid) for unit in reading.units}
        self._search(reading, persons_in)
        if table is not None and not persons_in & {unit.relation.oid for unit in reading.units}:
            self._rows.others_unknown = True
        judge = Judge(self._looked, None if self._rows.others_unknown else self._rows.others, self._labels())
        places = [
            *self._row_places(judge, relations, reading),
            *self._attempt(PlaceKind.STATISTICS, lambda: self._statistics_places(judge, roles)),
            *self._attempt(PlaceKind.LARGE_OBJECTS, lambda: self._large_object_places(judge)),
            *self._attempt(PlaceKind.CATALOG, lambda: self._catalog_places(judge)),
        ]
        return ProofReport(
            pack=self._pack.name,
            database=str(database.value("select pg_catalog.current_database()")),
            server_version=database.server_version,
            subject=self._subject.name,
            persons=tuple(self._labels()[person] for person in self._persons),
            sought=judge.sought,
            not_given=self._not_given(),
            places=tuple(places),
        )

    # --- who and what ---

    def _labels(self) -> dict[str, str]:
        personal = has_personal_key(self._subject)
        return {person: f"#{number}" if personal else person for number, person in enumerate(self._persons, start=1)}

    def _not_given(self) -> tuple[tuple[str, str], ...]:
        given = {(one.person, one.name) for one in self._looked}
        names = identifier_names(self._subject)
        labels = self._labels()
        return tuple(
            (labels[person], name) for person in self._persons for name in names if (person, name) not in given
        )

    def _relations(self) -> list[Relation]:
        by_oid: dict[int, tuple[dict[str, object], list[Column]]] = {}
        for row in self._database.rows(_text("columns")):
            known = by_oid.setdefault(row["oid"], (row, []))
            if row["column"] is not None:
                known[1].append(
                    Column(
                        name=row["column"],
                        position=row["position"],
                        type=row["type"],
                        is_text=bool(row["is_text"]),
                        is_words=bool(row["is_words"]),
                        leaf_type=row["leaf_type"] or "",
                    )
                )
        return [
            Relation(
                oid=oid,
                name=Name(str(about["schema"]), str(about["name"])),
                kind=str(about["kind"]),
                is_other_temp=bool(about["is_other_temp"]),
                size=int(str(about["size"])),
                columns=tuple(columns),
            )
            for oid, (about, columns) in by_oid.items()
        ]

    def _ancestors(self) -> dict[int, list[int]]:
        above: defaultdict[int, list[int]] = defaultdict(list)
        for row in self._database.rows(_text("ancestors")):
            above[row["oid"]].append(row["ancestor"])
        return dict(above)

    def _subject_table(self, relations: Iterable[Relation]) -> Relation | None:
        """None for a subject that has no table. Raises Refused where the table is not exactly one of the database's."""
        wanted = self._subject.table
        if wanted is None:
            return None
        found = [one for one in relations if one.name.name == wanted.name and wanted.schema in {None, one.name.schema}]
        if len(found) != 1:
            count = "is no such table" if not found else f"are {len(found)} such tables"
            raise Refused(f"the people of subject {self._subject.name} are in {wanted}: there {count} in this database")
        return found[0]

    # --- who reads ---

    def _assign(
        self, relations: Sequence[Relation], ancestors: Mapping[int, Sequence[int]]
    ) -> tuple[list[str], Reading]:
        """Who reads what: the connected role, then those it may become, then pgerase's private ones, borrowed."""
        names = Names(self._pack.settings.prefix)
        private = [names.lookup, names.eraser, names.secret]
        known = self._database.rows(_text("roles"), {"private": private})
        roles = [row["name"] for row in known if row["is_me"]]
        # One after the other: becoming others, and borrowing even more so, is only for what needs it.
        reading = self._reading(relations, ancestors, roles)
        if reading.unreadable:
            roles += [row["name"] for row in known if row["may_become"] and not row["is_me"]]
            reading = self._reading(relations, ancestors, roles)
        if reading.unreadable:
            wanted = [row["name"] for row in known if row["is_private"] and row["name"] not in roles]
            self._borrowed = [role for role in wanted if self._borrow(role)]
            roles += self._borrowed
            reading = self._reading(relations, ancestors, roles)
        return roles, reading

    def _reading(
        self, relations: Sequence[Relation], ancestors: Mapping[int, Sequence[int]], roles: Sequence[str]
    ) -> Reading:
        # Asked anew for all: by becoming a member one also gets the policies that restrict a role.
        self._rights = self._read_rights(roles)
        return assign(relations, self._rights, roles, ancestors)

    def _read_rights(self, roles: Iterable[str]) -> dict[tuple[str, int], Rights]:
        return {
            (str(row["role"]), int(row["oid"])): Rights(
                bool(row["may_use"]), frozenset(row["columns"]), bool(row["sees_all"]), int(row["storage"])
            )
            for row in self._database.rows(_text("readers"), {"roles": [*roles]})
        }

    def unless_changed(self, report: ProofReport) -> ProofReport:
        """The report, with what changed under the search unverified. After its transaction.

        The search sees rows as of its beginning, but the server hides them by the policies of the moment; and rows of a table that
        was rewritten meanwhile are not seen at all.
        """
        with self._database.trial():
            # By borrowing, the connected role had rights of its own that it has no more.
            for role in self._borrowed:
                self._borrow(role)
            now = self._read_rights({role for role, _ in self._readers.values()})
        changed = {oid for oid, way in self._readers.items() if now.get(way) != self._rights[way]}
        # A partition's rows may have been read through another table: its own storage counts all the same.
        storage = {oid: rights.storage for (_, oid), rights in now.items()}
        before = {oid: rights.storage for (_, oid), rights in self._rights.items()}
        changed |= {oid for oid in self._readers if storage.get(oid) != before[oid]}
        places = tuple(
            replace(place, verdict=Verdict.UNVERIFIED, reason=_CHANGED)
            if self._oids.get((place.kind, place.relation)) in changed and place.verdict in _PASSED
            else place
            for place in report.places
        )
        return replace(report, places=places)

    def _borrow(self, role: str) -> bool:
        """Become a member of a private role until the transaction is taken back; False where that is not allowed."""
        try:
            with self._database.transaction():
                self._database.run(render("install/borrow_roles", roles=[role]))
        except DatabaseFailed:
            if self._database.closed:
                raise
            return False
        return True

    # --- rows ---

    def _search(self, reading: Reading, persons_in: set[int]) -> None:
        groups = grouped(reading.units)
        sizes = [sum(unit.relation.size for unit in group) for group in groups]
        done = 0
        for group, size in zip(groups, sizes, strict=True):
            self._progress(Step(str(group[0].relation.name), done, sum(sizes)))
            self._search_group(group, persons_in)
            done += size
        self._progress(Step("", done, done))

    def _search_group(self, group: Sequence[Unit], persons_in: set[int]) -> None:
        columns = {one.name: one for unit in group for one in unit.columns}
        searched = [one for one in columns.values() if not self._pointless(one)]
        holds_people = any(unit.relation.oid in persons_in for unit in group)
        if not searched:
            self._rows.others_unknown |= holds_people
            return
        texts = [Text(number, column(one.name), one.is_text, one.is_words) for number, one in enumerate(searched)]
        who = living(self._subject) if holds_people else None
        people: list[Text] = []
        if who is not None:
            needed = {*who.key, *(name for name, _ in who.ghost), *([who.state[0]] if who.state else [])}
            people = [
                Text(_IDENTIFIERS + number, joined(own), is_text=True)
                for number, own in enumerate(own_identifiers(self._subject))
                if set(own) <= set(columns)
            ]
            if not needed <= set(columns):
                who, people = None, []
                self._rows.others_unknown = True
        chunks = [texts[start : start + _MOST_TEXTS] for start in range(0, len(texts), _MOST_TEXTS)]
        for number, chunk in enumerate(chunks):
            more = people if number == 0 else []
            failure = self._scan(group, chunk, searched, who, more)
            if failure in {"", _IMPATIENT} or len(chunk) == 1:
                self._note(group, chunk, searched, failure)
                self._rows.others_unknown |= bool(failure and more)
                continue
            # One column may be what cannot be read: the others are searched all the same.
            self._rows.others_unknown |= bool(more)
            for text in chunk:
                self._note(group, [text], searched, self._scan(group, [text], searched, who))

    def _note(self, group: Sequence[Unit], texts: Sequence[Text], searched: Sequence[Column], failure: str) -> None:
        if failure:
            for unit in group:
                for text in texts:
                    self._rows.failed[unit.relation.oid, searched[text.number].name] = f"could not be read ({failure})"

    def _scan(
        self,
        group: Sequence[Unit],
        texts: Sequence[Text],
        searched: Sequence[Column],
        who: Living | None,
        people: Sequence[Text] = (),
    ) -> str:
        """Search; '' or the SQLSTATE of what went wrong."""
        unit = group[0]
        if unit.ancestor is None:
            source = only(unit.relation.name, unit.relation.oid)
        else:
            source = through(unit.ancestor.name, [one.relation.oid for one in group])
        statement = scan(source, texts, self._filter, who, people)
        try:
            # What is taken back also gives its locks back: a search of thousands of tables holds a few.
            with self._database.trial(), acting_as(self._database, unit.role):
                rows = self._database.rows(statement)
        except DatabaseFailed as error:
            if self._database.closed or error.sqlstate == _CANCELLED:
                raise
            return error.sqlstate or "unknown"
        own = {name for columns in own_identifiers(self._subject) for name in columns}
        holders: defaultdict[tuple[int, int], int] = defaultdict(int)
        for row in rows:
            number, ordinal, count = int(row["number"]), int(row["ordinal"]), int(row["rows"])
            if number >= _IDENTIFIERS:
                if row["other"]:
                    holders[ordinal, number] += count
                continue
            name = searched[number].name
            theirs = bool(row["other"]) and name in own
            self._rows.found[int(row["source"]), name].append(
                Found(ordinal, 0 if theirs else count, count if theirs else 0)
            )
        for ordinal in {ordinal for ordinal, _ in holders}:
            self._rows.others[ordinal] += max(count for (one, _), count in holders.items() if one == ordinal)
        return ""

    def _pointless(self, one: Column) -> str:
        return nothing_to_search(one.leaf_type, (looked.spelling for looked in self._looked))

    # --- places ---

    def _attempt(self, kind: PlaceKind, look: Callable[[], Iterable[Place]]) -> list[Place]:
        """What was found, or that it could not be read: the catalog's functions fail for what was dropped meanwhile."""
        try:
            with self._database.trial():
                return list(look())
        except DatabaseFailed as error:
            if self._database.closed or error.sqlstate == _CANCELLED:
                raise
            return [Place(kind, "*", "*", "", Verdict.UNVERIFIED, f"could not be read ({error.sqlstate or 'unknown'})")]

    def _row_places(self, judge: Judge, relations: Iterable[Relation], reading: Reading) -> Generator[Place]:
        unreadable = {(one.relation.oid, one.column.name): one.why for one in reading.unreadable}
        for relation in relations:
            name = qualified(relation.name)
            self._oids[PlaceKind.ROWS, name] = relation.oid
            for one in relation.columns:
                key = relation.oid, one.name
                label = ident(one.name)
                why = self._pointless(one) if relation.kind != "p" else "its rows are in its partitions"
                cannot = unreadable.get(key) or self._rows.failed.get(key, "")
                if why:
                    yield Place(PlaceKind.ROWS, name, label, one.type, Verdict.NOTHING, why)
                elif cannot:
                    yield Place(PlaceKind.ROWS, name, label, one.type, Verdict.UNVERIFIED, cannot)
                else:
                    reason = "as its foreign server shows it" if relation.kind == "f" else ""
                    found = merged(self._rows.found.get(key, ()))
                    yield judge.place(PlaceKind.ROWS, name, label, one.type, found, reason)

    def _statistics_places(self, judge: Judge, roles: Sequence[str]) -> Generator[Place]:
        statistics = search_statistics(self._database, roles)
        self.hidden = statistics.unseen
        for name in statistics.relations:
            found = statistics.found.get(name, {})
            for label, hits in found.items():
                yield judge.place(PlaceKind.STATISTICS, qualified(name), ident(label), "", hits)
            if name in statistics.unseen:
                yield Place(PlaceKind.STATISTICS, qualified(name), "*", "", Verdict.UNVERIFIED, _HIDDEN)
            elif not found:
                yield judge.place(PlaceKind.STATISTICS, qualified(name), "*", "", ())

    def _large_object_places(self, judge: Judge) -> Generator[Place]:
        objects = self._database.rows(_text("large_objects"))
        if not objects:
            return
        readable = [int(row["oid"]) for row in objects if row["may_read"]]
        hits: list[Found] = []
        unread = len(objects) - len(readable)
        for oid in readable:
            source = Source(f"(select pg_catalog.lo_get({oid}) as content) as t", "0")
            statement = scan(source, [Text(0, "t.content", is_text=False)], self._filter)
            try:
                with self._database.trial():
                    hits += [Found(int(row["ordinal"]), 1) for row in self._database.rows(statement)]
            except DatabaseFailed as error:
                if self._database.closed or error.sqlstate == _CANCELLED:
                    raise
                unread += 1
        yield judge.place(PlaceKind.LARGE_OBJECTS, "*", "*", "", merged(hits))
        if unread:
            reason = f"{unread} of {len(objects)} could not be read"
            yield Place(PlaceKind.LARGE_OBJECTS, "*", "*", "", Verdict.UNVERIFIED, reason)

    def _catalog_places(self, judge: Judge) -> Generator[Place]:
        by_object: defaultdict[str, list[Found]] = defaultdict(list)
        for row in self._database.rows(_text("texts")):
            by_object[row["object"]].append(Found(int(row["ordinal"]), int(row["rows"])))
        for what, hits in by_object.items():
            yield judge.text_place(what, hits)
        if not by_object:
            yield judge.place(PlaceKind.CATALOG, "comments, code, constraints, labels and names", "*", "", ())


_CHANGED = "its rows, or who may see them, were changed under the search: search again"
_PASSED = (Verdict.CLEAN, Verdict.REVIEW)
_HIDDEN = "statistics of a table with row security are shown only to superusers and members of pg_read_all_data"


def merged(found: Iterable[Found]) -> list[Found]:
    """One for each identifier, counts added up."""
    rows: defaultdict[int, int] = defaultdict(int)
    theirs: defaultdict[int, int] = defaultdict(int)
    for one in found:
        rows[one.ordinal] += one.rows
        theirs[one.ordinal] += one.theirs
    return [Found(ordinal, rows[ordinal], theirs[ordinal]) for ordinal in sorted(rows)]


def _text(name: str) -> str:
    return resources.read_text("sql", "prove", f"{name}.sql")
