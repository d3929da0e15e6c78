"""The reference meaning of erasing: what a data map does to rows, in ordinary Python, written from DESIGN.md alone.

Shares with the compiler only the typed rules and the catalog's model; conditions are those of `pgerase.meaning`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pgerase.catalog.model import Catalog, Name, Table
from pgerase.meaning.conditions import Conditions, Population, Scope, rows_scope
from pgerase.meaning.paths import Facts
from pgerase.meaning.values import Found, Kind, Many, kind_of
from pgerase.rules import data_map as rules
from pgerase.rules.access import Reference as AccessReference
from pgerase.rules.conditions import Condition, Operand, SubjectRef
from pgerase.rules.names import BackStep, Step, TableColumns, TableName
from tests.property.erasing_values import Asked, Filled, Ledger, Token, Tokens, column_of, from_text, generalized

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOVES = ("reassign", "ghost", "unlink")
STRENGTH = ("delete", "reassign", "ghost", "unlink", "change", "keep")

Values = dict[str, Any]
Place = tuple[Name, int]
"""A row: its table and its place in it."""


@dataclass(frozen=True)
class Reference:
    """Rows of `source` point to rows of `target`, by pairs of columns. `gone`: delete, unlink, keep; None: forbids it."""

    source: Name
    pairs: tuple[tuple[str, str], ...]
    target: Name
    gone: str | None
    value: Any
    constrained: bool


@dataclass
class Person:
    """A person of the request, with what was read before anything changed."""

    number: int
    asked: Asked
    key: tuple[Any, ...]
    row: Place | None
    erased: bool
    identifiers: dict[str, Any]


@dataclass(frozen=True)
class Link:
    """A link of the map, or (`spec` None) the person's own row."""

    table: rules.MappedTable
    spec: rules.Link | None
    rows: tuple[rules.RowRule, ...]


@dataclass(frozen=True)
class Verdict:
    """What becomes of a row, by one link, for one person."""

    link: Link
    person: Person
    rule: rules.RowRule | None
    verb: str
    way: int
    """Which of the ways that the link's path may lead."""


@dataclass
class Outcome:
    """The state afterwards, row by row (None: deleted), and counts by person's key, relation and strategy."""

    state: dict[Name, list[Values | None]]
    counts: Counter[tuple[str, str, str]]
    touched: dict[Place, list[Verdict]]


class _Nobody(Population):
    """Data maps ask nothing about viewers."""


class _Conditions(Conditions):
    """With `{subject: key}`: the people of the request."""

    people: tuple[Any, ...] = ()
    people_kind: Kind

    def _operand(self, operand: Operand, kind: Kind, scope: Scope) -> Found | None:
        if isinstance(operand, SubjectRef):
            return Many(self.people, self.people_kind, is_relation=True)
        return super()._operand(operand, kind, scope)


class Erasing:
    """Erasing people of one subject from one state."""

    def __init__(
        self,
        catalog: Catalog,
        data_map: rules.DataMap,
        subject: str,
        state: Mapping[Name, Sequence[Values]],
        ledger: Ledger | None = None,
        tokens: Tokens | None = None,
    ) -> None:
        self.catalog = catalog
        self.map = data_map
        self.subject = data_map.subject(subject)
        self.state = state
        self.ledger = ledger or Ledger()
        self.tokens = tokens or Tokens()
        assert self.subject.table is not None
        self.home = self.table(self.subject.table)
        self.key = tuple(column.column for column in self.subject.key)
        self.mapped = {self.table(one.table).name: one for one in data_map.tables}
        self.references = list(self._references())
        declared = [
            AccessReference(
                TableColumns(_spelled(one.source), _left(one)),
                TableColumns(_spelled(one.target), _right(one)),
                data_map.at,
            )
            for one in self.references
            if not one.constrained
        ]
        self.facts = Facts(catalog, declared, state)
        self.conditions = _Conditions(self.facts, _Nobody(), NOW)
        self.fact_rows = {name: self.facts.rows(catalog.tables[name]) for name in state}
        self.links = {name: tuple(self._links(name)) for name in self.mapped}
        self.uniques = [
            (name, index.columns)
            for name, mapped in self.mapped.items()
            if mapped.owners is not rules.Owners.LAST
            for index in catalog.tables[name].indexes
            if index.unique and any(set(self._moved(name, link)) & set(index.columns) for link in self.links[name])
        ]
        self.people: list[Person] = []

    # What there is ----------------------------------------------------------------------------------------------------

    def table(self, name: TableName) -> Table:
        return self.facts.table(name) if hasattr(self, "facts") else _find(self.catalog, name)

    def _references(self) -> Iterator[Reference]:
        said: set[tuple[Name, frozenset[str], Name]] = set()
        for source, mapped in self.mapped.items():
            for one in mapped.references:
                target = self.table(one.to.table).name
                pairs = tuple(zip(one.step.columns, one.to.columns, strict=True))
                said.add((source, frozenset(one.step.columns), target))
                value = one.gone.value.value if isinstance(one.gone, rules.Unlink) else None
                gone = "unlink" if isinstance(one.gone, rules.Unlink) else None if one.gone is None else str(one.gone)
                constrained = any(
                    key.target == target and set(key.columns) == set(one.step.columns)
                    for key in self.catalog.tables[source].foreign_keys
                )
                yield Reference(source, pairs, target, gone, value, constrained)
        for table in self.catalog.tables.values():
            for key in table.foreign_keys:
                if table.is_partition or (table.name, frozenset(key.columns), key.target) in said:
                    continue
                gone = {"c": "delete", "n": "unlink"}.get(key.on_delete)
                pairs = tuple(zip(key.columns, key.target_columns, strict=True))
                yield Reference(table.name, pairs, key.target, gone, None, True)

    def _links(self, name: Name) -> Iterator[Link]:
        mapped = self.mapped[name]
        if mapped.subject == self.subject.name:
            assert mapped.rows is not None
            yield Link(mapped, None, mapped.rows)
        for link in mapped.links:
            if link.subject == self.subject.name:
                said = link.rows if link.rows is not None else mapped.rows
                assert said is not None
                yield Link(mapped, link, said)

    def _moved(self, name: Name, link: Link) -> tuple[str, ...]:
        """The columns by which a link hands rows over."""
        steps = () if link.spec is None else link.spec.path.steps
        if len(steps) != 1 or not isinstance(steps[0], Step) or all(_verb(rule.do) not in MOVES for rule in link.rows):
            return ()
        return steps[0].columns

    def row(self, place: Place) -> Values:
        return self.state[place[0]][place[1]]

    def places(self, name: Name) -> Iterator[Place]:
        return ((name, number) for number in range(len(self.state[name])))

    # People -----------------------------------------------------------------------------------------------------------

    def erase(self, asked: Sequence[Asked]) -> Outcome:
        """Erase them all at once."""
        self.people = [self._person(number, one) for number, one in enumerate(asked)]
        if len(self.key) == 1:
            column = self.home.column(self.key[0])
            assert column is not None
            self.conditions.people = tuple(person.key[0] for person in self.people)
            self.conditions.people_kind = kind_of(column)
        verdicts = {name: self._verdicts(name) for name in self.mapped}
        touched = {place: found for by_place in verdicts.values() for place, found in by_place.items()}
        after = {place: self._composed(place, found) for place, found in touched.items()}
        deleted, unlinked = self._settled(touched, after)
        for place, found in touched.items():
            if place in deleted:
                continue
            for index, verdict in enumerate(found):
                # Somebody else still needs it.
                if verdict.verb == "delete":
                    found[index] = replace(verdict, verb="keep", rule=None)
            after[place] = self._composed(place, found)
        return self._outcome(touched, after, deleted, unlinked)

    def _person(self, number: int, asked: Asked) -> Person:
        texts = [asked.key] if len(self.key) == 1 else json.loads(asked.key)
        key = tuple(from_text(self.home, column, text) for column, text in zip(self.key, texts, strict=True))
        place = next((p for p in self.places(self.home.name) if self._key_of(self.row(p)) == key), None)
        erased = asked.erased
        lifecycle = self.subject.lifecycle
        if lifecycle is not None and place is not None:
            erased = erased or self.row(place)[lifecycle.column] == lifecycle.erased.value
        identifiers: dict[str, Any] = {}
        for one in self.subject.identifiers:
            if place is None or erased or not isinstance(one.source, rules.IdentifierPaths):
                continue
            paths = one.source.paths
            if len(paths) == 1 and len(paths[0].steps) == 1:
                identifiers[one.name] = self.row(place)[paths[0].column]
        return Person(number, asked, key, place, erased, identifiers)

    def _key_of(self, row: Values) -> tuple[Any, ...]:
        return tuple(row[column] for column in self.key)

    def _find_person(self, key: tuple[Any, ...]) -> Values | None:
        if any(part is None for part in key):
            return None
        return next((row for row in self.state[self.home.name] if self._key_of(row) == key), None)

    def _stays(self, row: Values) -> bool:
        """Active, and in no open request."""
        key = self._key_of(row)
        if any(person.key == key for person in self.people) or self.key_text(key) in self.ledger.requested:
            return False
        lifecycle = self.subject.lifecycle
        if lifecycle is not None:
            return row[lifecycle.column] == lifecycle.active.value
        return self.key_text(key) not in self.ledger.erased

    def key_text(self, key: tuple[Any, ...]) -> str:
        if len(key) == 1:
            return str(key[0])
        return json.dumps([str(part) for part in key])

    def _manager(self, person: Person) -> Any:
        """The key's last part of the nearest manager who is active and stays."""
        assert self.subject.manager is not None
        (column,) = self.subject.manager.columns
        row = None if person.row is None else self.row(person.row)
        seen: set[tuple[Any, ...]] = set()
        while row is not None:
            key = (*person.key[:-1], row[column])
            if row[column] is None or key in seen:
                return None
            seen.add(key)
            row = self._find_person(key)
            if row is not None and self._stays(row):
                return key[-1]
        return None

    # Whose rows -------------------------------------------------------------------------------------------------------

    def _verdicts(self, name: Name) -> dict[Place, list[Verdict]]:
        found: dict[Place, list[Verdict]] = defaultdict(list)
        for place in self.places(name):
            for link in self.links[name]:
                for way, numbers in enumerate(self._ways(place, link)):
                    rule = next((rule for rule in link.rows if rule.when is None or self._true(rule.when, place)), None)
                    assert rule is not None
                    found[place] += [
                        Verdict(link, self.people[number], rule, _verb(rule.do), way) for number in sorted(numbers)
                    ]
        return dict(found)

    def _true(self, when: Condition, place: Place) -> bool:
        return self.conditions.holds(when, rows_scope(self.fact_rows[place[0]][place[1]], None, None)) is True

    def _ways(self, place: Place, link: Link) -> list[set[int]]:
        """The people that each way leads to: a path into a mapped table has as many ways as that has links."""
        if link.spec is None:
            key = self._key_of(self.row(place))
            return [{person.number for person in self.people if person.key == key and not person.erased}]
        if link.spec.when is not None and not self._true(link.spec.when, place):
            return []
        return self._along(place, link.spec)

    def _along(self, place: Place, spec: rules.Link) -> list[set[int]]:
        here = [place]
        *before, last = spec.path.steps
        for step in before:
            here = [one for row in here for one in self._step(row, step)]
        if isinstance(last, BackStep):
            return self._persons_there([one for row in here for one in self._step(row, last)])
        if isinstance(spec.by, rules.ByIdentifier):
            (column,) = last.columns
            values = {value for one in here if (value := self.row(one)[column]) is not None}
            return [{person.number for person in self.people if person.identifiers.get(spec.by.name) in values}]
        if not here:
            return []
        ways = [ref for ref in self.references if ref.source == here[0][0] and set(_left(ref)) == set(last.columns)]
        direct = [ref for ref in ways if ref.target == self.home.name]
        elsewhere = [ref for ref in ways if ref.target in self.mapped and ref.target != self.home.name]
        if elsewhere and not direct:
            return self._persons_there([end for one in here for end in self._step(one, last)])
        columns = last.columns
        for ref in direct:
            theirs = {right: left for left, right in ref.pairs}
            if set(theirs) == set(self.key):
                columns = tuple(theirs[key] for key in self.key)
                break
        keys = {tuple(self.row(one)[column] for column in columns) for one in here}
        return [{person.number for person in self.people if person.key in keys}]

    def _persons_there(self, places: list[Place]) -> list[set[int]]:
        """A path that ends in a mapped table means the person's rows there."""
        if not places:
            return []
        if places[0][0] == self.home.name:
            keys = {self._key_of(self.row(place)) for place in places}
            return [{person.number for person in self.people if person.key in keys}]
        found: list[set[int]] = []
        for link in self.links[places[0][0]]:
            if link.spec is not None:
                each = [ways for place in places if (ways := self._ways(place, link))]
                found += [set().union(*ways) for ways in zip(*each, strict=True)]
        return found

    def _step(self, place: Place, step: Step | BackStep) -> list[Place]:
        if isinstance(step, Step):
            ways = [ref for ref in self.references if ref.source == place[0] and set(_left(ref)) == set(step.columns)]
            return self._targets(place, ways[0])
        source = self.table(step.table).name
        ways = [
            ref
            for ref in self.references
            if ref.source == source and ref.target == place[0] and set(_left(ref)) == set(step.columns)
        ]
        fillers = self._fillers(source)
        return [
            one
            for one in self.places(source)
            if place in self._targets(one, ways[0])
            # A row that a literal filler points to is nobody's.
            and not any(column in fillers and self.row(one)[column] == fillers[column] for column in step.columns)
        ]

    def _fillers(self, name: Name) -> dict[str, Any]:
        """The literals that columns of a table are filled with."""
        mapped = self.mapped.get(name)
        found: dict[str, Any] = {}
        for column in mapped.columns if mapped is not None else ():
            for treatment in column.erase if isinstance(column, rules.PersonalColumn) else ():
                if isinstance(treatment, rules.Fill) and not isinstance(
                    treatment.value, rules.JsonObject | rules.JsonArray
                ):
                    value = self._filled(name, column.column, treatment, {}, None)
                    if not isinstance(value, Filled):
                        found[column.column] = value
        return found

    def _targets(self, place: Place, ref: Reference, values: Values | None = None) -> list[Place]:
        row = values if values is not None else self.row(place)
        wanted = [(right, row[left]) for left, right in ref.pairs]
        if any(value is None for _, value in wanted):
            return []
        return [
            one for one in self.places(ref.target) if all(self.row(one)[column] == value for column, value in wanted)
        ]

    # What becomes of them ---------------------------------------------------------------------------------------------

    def _composed(self, place: Place, verdicts: Sequence[Verdict]) -> Values:
        """The row's values after every verdict: each link's changes on top of those before it, way by way, in the name of the first person."""
        now = dict(self.row(place))
        spoken: list[tuple[Link, int]] = []
        for verdict in verdicts:
            if (verdict.link, verdict.way) not in spoken and verdict.verb != "delete" and verdict.rule is not None:
                now |= self._changes(place, verdict, verdict.rule, now)
            spoken.append((verdict.link, verdict.way))
        return now

    def _changes(self, place: Place, verdict: Verdict, rule: rules.RowRule, before: Values) -> Values:
        link, person = verdict.link, verdict.person
        spec, old = link.spec, self.row(place)
        new: Values = {}
        if spec is None:
            if self.subject.lifecycle is not None:
                new[self.subject.lifecycle.column] = self.subject.lifecycle.erased.value
        elif len(spec.path.steps) == 1 and isinstance(spec.path.steps[0], Step):
            held = self._held(place[0], spec)
            self._hand_over(place, rule.do, person, held, old, new)
            if isinstance(spec.by, rules.ByIdentifier) and verdict.verb == "keep":
                self._follow(spec, person, held[0], new)
        own = [column.column for column in link.table.columns if self._covers(link, column)]
        replaced = {column.column: column.treatments for column in rule.columns}
        said = {
            column.column: column.erase for column in link.table.columns if isinstance(column, rules.PersonalColumn)
        }
        for column in dict.fromkeys([*own, *replaced]):
            treatments = replaced.get(column, said.get(column, ()))
            if not all(isinstance(one, rules.KeepNoted | rules.KeepColumn) for one in treatments):
                new[column] = before[column]
                for treatment in treatments:
                    new[column] = self._treated(place[0], column, treatment, new[column], old, person)
        for mark in rule.mark:
            new[mark.column] = mark.value.value
        return new

    def _held(self, name: Name, spec: rules.Link) -> tuple[str, ...]:
        """The link's columns, in the order of the key."""
        (step,) = spec.path.steps
        assert isinstance(step, Step)
        for ref in self.references:
            theirs = {right: left for left, right in ref.pairs}
            same = ref.source == name and ref.target == self.home.name and set(_left(ref)) == set(step.columns)
            if same and set(theirs) == set(self.key):
                return tuple(theirs[key] for key in self.key)
        return step.columns

    def _hand_over(
        self, place: Place, verb: rules.RowVerb, person: Person, held: tuple[str, ...], old: Values, new: Values
    ) -> None:
        match verb:
            case rules.DoWord(rules.RowWord.UNLINK):
                new.update(self._undone(place[0], held))
            case rules.Unlink(value):
                new[held[-1]] = value.value
            case rules.DoWord(rules.RowWord.GHOST):
                new.update(self._ghost(held))
            case rules.Reassign(candidates):
                for candidate in candidates:
                    values = self._candidate(place, candidate, person, held, old)
                    if values is not None:
                        new.update(values)
                        return
            case _:
                pass

    def _candidate(
        self, place: Place, candidate: rules.Candidate, person: Person, held: tuple[str, ...], old: Values
    ) -> Values | None:
        match candidate:
            case rules.CandidateNamed(rules.CandidateWord.MANAGER):
                manager = self._manager(person)
                return None if manager is None else {held[-1]: manager}
            case rules.CandidateNamed(rules.CandidateWord.GHOST):
                return self._ghost(held)
            case rules.CandidateNamed():
                return self._undone(place[0], held)
            case rules.CandidatePool(path):
                here = [place]
                for step in path.steps[:-1]:
                    here = [one for row in here for one in self._step(row, step)]
                values = [self.row(one)[path.column] for one in here]
                for value in values:
                    key = (*(old[column] for column in held[:-1]), value)
                    row = self._find_person(key)
                    if row is not None and self._stays(row):
                        return {held[-1]: value}
                return None
            case rules.CandidateKey(values):
                return {
                    column: from_text(self.catalog.tables[place[0]], column, str(value.value))
                    for column, value in zip(held, values, strict=True)
                }

    def _ghost(self, held: tuple[str, ...]) -> Values:
        assert self.subject.ghost is not None
        named = dict(self.subject.ghost.values)
        return {
            mine: from_text(self.home, theirs, str(named[theirs].value))
            for mine, theirs in zip(held, self.key, strict=True)
            if theirs in named
        }

    def _undone(self, name: Name, columns: Sequence[str]) -> Values:
        table = self.catalog.tables[name]
        return {column: None for column in columns if not column_of(table, column).not_null}

    def _follow(self, spec: rules.Link, person: Person, held: str, new: Values) -> None:
        """Values follow: the link takes what the person's own row now has."""
        assert isinstance(spec.by, rules.ByIdentifier)
        (source,) = [one.source for one in self.subject.identifiers if one.name == spec.by.name]
        assert isinstance(source, rules.IdentifierPaths)
        column = source.paths[0].column
        if person.row is None:
            return
        mine = dict(self.row(person.row))
        rule = next(
            rule
            for rule in self.links[self.home.name][0].rows
            if rule.when is None or self._true(rule.when, person.row)
        )
        if _verb(rule.do) == "delete":
            # The row goes, and its identifier would stay behind: it is filled as if the row had stayed.
            own = next((one for one in self.mapped[self.home.name].columns if one.column == column), None)
            treatments = own.erase if isinstance(own, rules.PersonalColumn) else ()
            for treatment in treatments:
                mine[column] = self._treated(self.home.name, column, treatment, mine[column], mine, person)
            new[held] = mine[column]
            return
        after = self._changes(person.row, Verdict(self.links[self.home.name][0], person, rule, "keep", 0), rule, mine)
        if column in after:
            new[held] = after[column]

    def _covers(self, link: Link, column: rules.PersonalColumn | rules.NothingPersonalColumn) -> bool:
        """Whether a column is the person's whom the link leads to."""
        if not isinstance(column, rules.PersonalColumn):
            return False
        of = column.of or link.table.of
        if of is None:
            if link.table.subject is not None:
                return link.spec is None
            return link.spec is not None
        match of:
            case rules.OfSelf():
                return link.spec is None
            case rules.OfAny():
                return True
            case rules.OfLinks(paths):
                return link.spec is not None and link.spec.path in paths
            case rules.OfSubject(subject):
                return subject == self.subject.name

    # Treatments -------------------------------------------------------------------------------------------------------

    def _treated(
        self, name: Name, column: str, treatment: rules.Treatment, value: Any, row: Values, person: Person
    ) -> Any:
        match treatment:
            case rules.Clear():
                return None
            case rules.Fill():
                return self._filled(name, column, treatment, row, person)
            case rules.Generalize(to):
                return generalized(value, to)
            case _:
                return value

    def _filled(self, name: Name, column: str, fill: rules.Fill, row: Values, person: Person | None) -> Any:
        kind = column_of(self.catalog.tables[name], column).base_type
        made = self._json(fill.value, row, person)
        if kind in ("json", "jsonb") or not isinstance(made, str):
            return made
        return from_text(self.catalog.tables[name], column, made)

    def _json(self, value: Any, row: Values, person: Person | None) -> Any:
        match value:
            case rules.JsonObject(members):
                return {key: self._json(one, row, person) for key, one in members}
            case rules.JsonArray(items):
                return [self._json(one, row, person) for one in items]
            case rules.Template(parts):
                if not value.placeholders:
                    return "".join(str(part) for part in parts)
                number = person.number if person is not None else -1
                return Filled(
                    tuple(
                        part
                        if isinstance(part, str)
                        else Token(number, None if part.argument is None else str(row.get(part.argument)))
                        for part in parts
                    )
                )
            case _:
                return value

    # What goes along --------------------------------------------------------------------------------------------------

    def _settled(
        self, touched: dict[Place, list[Verdict]], after: dict[Place, Values]
    ) -> tuple[dict[Place, int], dict[Place, list[tuple[int, Values]]]]:
        """What goes: a row moved onto a unique conflict goes as well, and of several one stays."""
        clashing: set[Place] = set()
        while True:
            for place in clashing:
                touched[place] = [
                    replace(verdict, verb="delete", rule=None) if verdict.verb in MOVES else verdict
                    for verdict in touched[place]
                ]
            deleted, unlinked = self._closed(touched, after)
            more = self._clashes(touched, after, deleted)
            if not more:
                return deleted, unlinked
            clashing |= more

    def _clashes(
        self, touched: Mapping[Place, Sequence[Verdict]], after: Mapping[Place, Values], deleted: Mapping[Place, int]
    ) -> set[Place]:
        """Rows that a link moves to where another row is that stays there; of several all but the first person's first by key."""

        def mover(place: Place) -> int:
            """Whoever of those asked hands the row over; before them all where nobody does."""
            return min((one.person.number for one in touched.get(place, ()) if one.verb in MOVES), default=-1)

        found: set[Place] = set()
        for name, columns in self.uniques:
            taken: dict[tuple[Any, ...], bool] = {}
            moved: dict[tuple[Any, ...], list[Place]] = defaultdict(list)
            for place in self.places(name):
                if place in deleted:
                    continue
                old, new = self.row(place), after.get(place, self.row(place))
                values = tuple(new[column] for column in columns)
                if None in values:
                    continue
                if any(old[column] != new[column] for column in columns):
                    moved[values].append(place)
                else:
                    taken[values] = True
            for values, places in moved.items():
                places.sort(
                    key=lambda place: (mover(place), *(self.row(place)[one] for one in self._identity(place[0])))
                )
                found |= set(places if values in taken else places[1:])
        return found

    def _identity(self, name: Name) -> tuple[str, ...]:
        return self.catalog.tables[name].primary_key

    def _closed(
        self, touched: Mapping[Place, Sequence[Verdict]], after: Mapping[Place, Values]
    ) -> tuple[dict[Place, int], dict[Place, list[tuple[int, Values]]]]:
        """Deleted rows by the first who deletes them, closed over `gone`; and what `gone` unlinks, by whom."""
        deleted: dict[Place, int] = {}
        last: set[Place] = set()

        def image(place: Place) -> Values:
            return after.get(place, self.row(place))

        while True:
            found: dict[Place, int] = {}
            for place, verdicts in touched.items():
                by = [verdict.person.number for verdict in verdicts if verdict.verb == "delete"]
                if by and self.mapped[place[0]].owners is rules.Owners.LAST:
                    if not self._is_needed(place, deleted, image):
                        found[place] = max(by)
                elif by:
                    found[place] = min(by)
            # With `owners: last` nothing that stays points to what goes.
            last = {place for place in found if self.mapped[place[0]].owners is rules.Owners.LAST}
            self._follow_gone({place: by for place, by in found.items() if place not in last}, found, image)
            if found == deleted:
                break
            deleted = found
        unlinked: dict[Place, list[tuple[int, Values]]] = defaultdict(list)
        for ref in self.references:
            if ref.gone != "unlink":
                continue
            for place in self.places(ref.source):
                for target in self._targets(place, ref, image(place)):
                    if target in deleted and target not in last:
                        values = (
                            dict.fromkeys(_left(ref), ref.value)
                            if ref.value is not None
                            else self._undone(ref.source, _left(ref))
                        )
                        unlinked[place].append((deleted[target], values))
        return deleted, dict(unlinked)

    def _follow_gone(self, seeds: dict[Place, int], found: dict[Place, int], image: Any) -> None:
        frontier = seeds
        while frontier:
            step: dict[Place, int] = {}
            for ref in self.references:
                if ref.gone != "delete" or not any(place[0] == ref.target for place in frontier):
                    continue
                for place in self.places(ref.source):
                    for target in self._targets(place, ref, image(place)):
                        if target in frontier:
                            number = frontier[target]
                            if place not in found or number < found[place]:
                                found[place] = step[place] = number
            frontier = step

    def _is_needed(self, place: Place, deleted: Mapping[Place, int], image: Any) -> bool:
        """Whether a row that stays still points here."""
        return any(
            place in self._targets(other, ref, image(other))
            for ref in self.references
            if ref.target == place[0]
            for other in self.places(ref.source)
            # Rows of the same table count in any case.
            if (other not in deleted or other[0] == place[0]) and other != place
        )

    # The result -------------------------------------------------------------------------------------------------------

    def _outcome(
        self,
        touched: dict[Place, list[Verdict]],
        after: dict[Place, Values],
        deleted: dict[Place, int],
        unlinked: dict[Place, list[tuple[int, Values]]],
    ) -> Outcome:
        state: dict[Name, list[Values | None]] = {
            name: [dict(row) for row in rows] for name, rows in self.state.items()
        }
        counts: Counter[tuple[str, str, str]] = Counter()
        for place in {*touched, *deleted, *unlinked}:
            old = self.row(place)
            new = dict(after.get(place, old))
            for _, values in unlinked.get(place, ()):
                new.update(values)
            asked = [person.asked for person in self.people]
            changes = not all(self.tokens.matches(old[column], new[column], asked, learn=False) for column in old)
            by_person: dict[int, set[str]] = defaultdict(set)
            for verdict in touched.get(place, ()):
                verb = verdict.verb
                if place in deleted and verb == "delete" and verdict.person.number < deleted[place]:
                    verb = "keep"
                by_person[verdict.person.number].add("change" if verb == "keep" and changes else verb)
            for number, _ in unlinked.get(place, ()):
                by_person[number].add("unlink")
            if place in deleted:
                by_person[deleted[place]].add("delete")
            for number, verbs in by_person.items():
                if number <= deleted.get(place, number):
                    strategy = min(verbs, key=STRENGTH.index)
                    counts[self.people[number].asked.key, str(place[0]), strategy] += 1
            state[place[0]][place[1]] = None if place in deleted else new
        return Outcome(state, counts, touched)


def _verb(do: rules.RowVerb) -> str:
    match do:
        case rules.DoWord(word):
            return str(word)
        case rules.Unlink():
            return "unlink"
        case rules.Reassign():
            return "reassign"
        case _:
            raise AssertionError(do)


def _left(ref: Reference) -> tuple[str, ...]:
    return tuple(left for left, _ in ref.pairs)


def _right(ref: Reference) -> tuple[str, ...]:
    return tuple(right for _, right in ref.pairs)


def _spelled(name: Name) -> TableName:
    return TableName(name.name, name.schema)


def _find(catalog: Catalog, name: TableName) -> Table:
    matches = [
        table
        for table in catalog.tables.values()
        if table.name.name == name.name and name.schema in (None, table.name.schema)
    ]
    (table,) = matches
    return table
