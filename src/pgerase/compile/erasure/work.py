"""Which tables erasing a kind of person touches, in which order, and why rows of each are touched.

Rows are touched because they are linked to a person, or because the row they point to goes (`gone`), transitively.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pgerase.catalog.model import Catalog, Name, Table
from pgerase.compile.erasure import bound
from pgerase.compile.erasure.bound import BoundLink, BoundMap, BoundReference, BoundSubject, Gone, Verb
from pgerase.compile.erasure.fill import leaves_alone
from pgerase.compile.erasure.unique import UniqueKey, clashes_of
from pgerase.compile.graph import components
from pgerase.errors import Finding, Position, Severity


@dataclass(frozen=True, slots=True)
class Work:
    """One table of a statement. `gone` are the references whose rows go, or are unlinked, with what they point to."""

    table: Table
    mapped: bound.BoundMappedTable | None
    links: tuple[BoundLink, ...]
    gone: tuple[BoundReference, ...]
    keeps_needed: tuple[BoundReference, ...]
    """With `owners: last`: everything that may still point to a row, which then stays."""
    deletes: bool
    circle: tuple[Name, ...]
    """The tables whose rows go with one another in a circle, in order; this one alone where there is none."""
    clashes: tuple[UniqueKey, ...]
    """The unique indexes in which a row that is handed over may meet another one; it goes then."""

    @property
    def name(self) -> Name:
        """The table's name."""
        return self.table.name

    @property
    def gone_in_circle(self) -> tuple[BoundReference, ...]:
        """References to the table itself, and to those that in turn depend on it."""
        return tuple(one for one in self.gone if one.hop.target in self.circle)

    @property
    def gone_before(self) -> tuple[BoundReference, ...]:
        """References to tables that are decided before."""
        return tuple(one for one in self.gone if one.hop.target not in self.circle)


def plan_work(
    data_map: BoundMap, subject: BoundSubject, catalog: Catalog, nothing_personal: Iterable[Name]
) -> tuple[tuple[Work, ...], tuple[Finding, ...]]:
    """The tables that erasing people of a kind changes, each after those whose deleted rows it has to follow."""
    planner = _Planner(data_map, subject, catalog, frozenset(nothing_personal))
    return planner.plan(), tuple(planner.findings)


class _Planner:
    def __init__(
        self, data_map: BoundMap, subject: BoundSubject, catalog: Catalog, nothing_personal: frozenset[Name]
    ) -> None:
        self.map = data_map
        self.subject = subject
        self.catalog = catalog
        self.nothing_personal = nothing_personal
        self.findings: list[Finding] = []
        self.gone: dict[Name, list[BoundReference]] = {}
        self.unanswered: list[BoundReference] = []
        self.links = {
            name: tuple(link for link in mapped.links if link.subject == subject.name)
            for name, mapped in data_map.tables.items()
        }

    def plan(self) -> tuple[Work, ...]:
        seen = {
            name
            for name, links in self.links.items()
            if any(link.may_delete for link in links) or self.clashes(name, links)
        }
        # Where a row goes only when nothing points to it any more, nothing goes along, unless it goes with another row itself.
        deletable = [name for name in seen if not self.map.tables[name].only_last]
        deletable.sort()
        followed = set(deletable)
        while deletable:
            target = deletable.pop(0)
            for source in self.follow(target):
                seen.add(source)
                if source not in followed:
                    followed.add(source)
                    deletable.append(source)
        self.refuse_people_going_along()
        for one in self.unanswered:
            if not self.answered(one):
                self.fail_gone(one)
        touched = [
            name for name, links in self.links.items() if name in self.gone or any(self.changes(link) for link in links)
        ]
        touched += [name for name in self.gone if name not in self.links]
        needs = {
            str(name): [str(one.hop.target) for one in self.gone.get(name, ()) if one.hop.target != name]
            for name in touched
        }
        self.look_first_at_what_needs(needs)
        by_text = {str(name): name for name in touched}
        return tuple(
            self.work(by_text[text], tuple(by_text[other] for other in group), deleted=seen)
            for group in components(needs)
            for text in group
        )

    def look_first_at_what_needs(self, needs: dict[str, list[str]]) -> None:
        """With `owners: last`, whatever may point to a row is decided before it, unless that makes a circle."""
        for one in self.map.references:
            mapped = self.map.tables.get(one.hop.target)
            target, source = str(one.hop.target), str(one.source)
            if mapped is None or not mapped.only_last or target == source or not {target, source} <= needs.keys():
                continue
            if not self.depends_on(needs, source, target):
                needs[target].append(source)

    @staticmethod
    def depends_on(needs: dict[str, list[str]], name: str, other: str) -> bool:
        """Whether deciding `name` takes, over however many tables, that `other` is decided."""
        ahead, seen = [name], {name}
        while ahead:
            for needed in needs.get(ahead.pop(), ()):
                if needed == other:
                    return True
                if needed not in seen:
                    seen.add(needed)
                    ahead.append(needed)
        return False

    def work(self, name: Name, circle: tuple[Name, ...], *, deleted: set[Name]) -> Work:
        mapped = self.map.tables.get(name)
        needed = tuple(one for one in self.map.references if one.hop.target == name)
        links, gone = self.links.get(name, ()), tuple(self.gone.get(name, ()))
        # Not in a circle: what goes with the row would have to be known before it is known whether the row goes.
        alone = all(one.hop.target not in circle for one in gone)
        return Work(
            self.catalog.tables[name],
            mapped,
            links,
            gone,
            needed if mapped is not None and mapped.only_last else (),
            name in deleted,
            circle,
            self.clashes(name, links) if alone else (),
        )

    def clashes(self, name: Name, links: tuple[BoundLink, ...]) -> tuple[UniqueKey, ...]:
        """Where a row handed over may meet another one, and goes: not with `owners: last`, which looks at what points to it first."""
        mapped = self.map.tables.get(name)
        if mapped is None or mapped.only_last:
            return ()
        own = [(one, mapped.columns[one].treatments) for link in links for one in link.columns if one in mapped.columns]
        ruled = [column for link in links for rule in link.rules for column in rule.columns]
        treated = {one for one, treatments in (*own, *ruled) if not leaves_alone(treatments)}
        return clashes_of(self.catalog.tables[name], links, treated)

    def changes(self, link: BoundLink) -> bool:
        """Whether something may happen to rows of a link, or to their columns."""
        if any(rule.verb is not Verb.KEEP or rule.marks for rule in link.rules):
            return True
        if link.is_self and self.subject.lifecycle is not None:
            return True
        mapped = next(table for table in self.map.tables.values() if link in table.links)
        replaced = {name: treatments for rule in link.rules for name, treatments in rule.columns}
        own = {name: mapped.columns[name].treatments for name in link.columns if name in mapped.columns}
        treated = any(not leaves_alone(treatments) for treatments in (*own.values(), *replaced.values()))
        return treated or self.follows(link)

    def follows(self, link: BoundLink) -> bool:
        """Whether a kept link holds an identifier that the person's own row changes: values follow."""
        if link.path.identifier is None or not link.path.is_direct:
            return False
        own = self.map.tables.get(self.subject.table.name)
        column = self.subject.identifiers[link.path.identifier].name
        if own is None:
            return False
        ruled = any(column == name for one in own.links for rule in one.rules for name, _ in rule.columns)
        return ruled or (column in own.columns and not leaves_alone(own.columns[column].treatments))

    # What goes with deleted rows ----------------------------------------------------------------------------------

    def follow(self, target: Name) -> Iterable[Name]:
        """Note what happens to rows that point to deleted rows of a table; the tables of which rows go as well."""
        for one in self.map.references:
            if one.hop.target != target:
                continue
            match one.gone:
                case Gone.DELETE | Gone.UNLINK:
                    if one.source not in self.map.tables and one.source not in self.nothing_personal:
                        what = "deletes rows of" if one.gone is Gone.DELETE else "changes rows of"
                        message = f"deleting rows of {target} {what} {one.source}, which the map does not name"
                        hint = f"Map {one.source}, or list it under none:."
                        self.fail("unmapped-cascade", str(one.source), message, hint, self.subject.at)
                        continue
                    self.gone.setdefault(one.source, []).append(one)
                    if one.gone is Gone.DELETE:
                        yield one.source
                case Gone.KEEP if not one.constrained:
                    pass
                case _:
                    self.unanswered.append(one)

    def refuse_people_going_along(self) -> None:
        """Rows of people who are not asked to go cannot go with others': nobody would resolve the links to them."""
        for other in self.map.subjects.values():
            name = other.table.name
            ways = [one.label for one in self.gone.get(name, ()) if one.gone is Gone.DELETE]
            ways += [
                f"link {link.label} ({link.at})"
                for link in self.links.get(name, ())
                if link.may_delete and not link.is_self
            ]
            for way in ways:
                message = f"erasing {self.subject.name}s would delete people of {name} who are not asked to go: {way}"
                hint = "Unlink, ghost or reassign them; for a foreign key say references: {…: {to: …, gone: unlink}}."
                self.fail("people-go-along", str(name), message, hint, self.subject.at)

    def fail_gone(self, one: BoundReference) -> None:
        message = (
            f"{one.label} forbids deleting rows of {one.hop.target} that it points to, "
            "and nothing says what becomes of its rows"
        )
        columns = ", ".join(one.hop.columns)
        hint = f"Say references: {{{columns}: {{to: …, gone: delete or unlink}}}} on {one.source}."
        self.fail("gone-not-said", str(one.source), message, hint, self.subject.at)

    def answered(self, reference: BoundReference) -> bool:
        """Whether a link over the same columns lets no row stay that points to a deleted person."""
        mapped = self.map.tables.get(reference.source)
        if reference.hop.target != self.subject.table.name or mapped is None or mapped.only_last:
            return False
        return any(
            link.path.is_direct
            and not link.is_self
            and link.path.identifier is None
            and set(link.path.columns) == set(reference.hop.columns)
            and link.when is None
            and all(rule.verb is not Verb.KEEP for rule in link.rules)
            for link in self.links.get(reference.source, ())
        )

    def fail(self, code: str, subject: str, message: str, hint: str, at: Position) -> None:
        self.findings.append(Finding(code, Severity.ERROR, subject, message, hint, at))
