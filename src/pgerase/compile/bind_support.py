"""Binds support access: who may hold a grant, whose data it is about, by which links rows are theirs, and their own switch."""

from __future__ import annotations

from dataclasses import dataclass, field

from pgerase.catalog.model import Catalog, Name
from pgerase.compile.bind_names import nearest
from pgerase.compile.bound import BoundResource, BoundRules, BoundStaff, Hop
from pgerase.compile.erasure.bound import BoundMap, BoundSubject
from pgerase.compile.surroundings import matches
from pgerase.errors import Finding, Position, Severity
from pgerase.rules.audit import OpenedLink, Support


@dataclass(frozen=True, slots=True)
class Opened:
    """Rows that a grant opens: the hop leads from the resource's table to the subject's, by its key or by an identifier."""

    resource: BoundResource
    subject: str
    hop: Hop
    at: Position = field(compare=False)
    """Two links may open the same rows by the same columns: that is one way."""


@dataclass(frozen=True, slots=True)
class BoundSupport:
    """Support access on a database."""

    terms: Support
    staff: BoundStaff
    subjects: tuple[BoundSubject, ...]
    switch: tuple[str, str] | None
    """The subject with the switch, and its column."""
    opened: tuple[Opened, ...]

    def may_consent(self, subject: str) -> bool:
        """Whether people of that kind can be looked at otherwise than by breaking the glass."""
        return self.terms.switch is None or (self.switch is not None and self.switch[0] == subject)

    def opening(self, resource: str) -> tuple[Opened, ...]:
        """The ways in which grants open rows of a resource."""
        return tuple(one for one in self.opened if one.resource.name == resource)


def bind_support(
    support: Support, rules: BoundRules, bound_map: BoundMap, governed: tuple[BoundResource, ...], catalog: Catalog
) -> tuple[BoundSupport | None, tuple[Finding, ...]]:
    """Bind what audit.yaml says of support access; None with the findings where it cannot be."""
    return _SupportBinder(support, rules, bound_map, governed, catalog).bind()


class _SupportBinder:
    def __init__(
        self,
        support: Support,
        rules: BoundRules,
        bound_map: BoundMap,
        governed: tuple[BoundResource, ...],
        catalog: Catalog,
    ) -> None:
        self.support = support
        self.rules = rules
        self.map = bound_map
        self.governed = {resource.table.name: resource for resource in governed}
        self.catalog = catalog
        self.findings: list[Finding] = []

    def bind(self) -> tuple[BoundSupport | None, tuple[Finding, ...]]:
        staff = self.rules.staff
        if staff is None or self.rules.people is None:
            message = "support access is for viewers, and none can be bound"
            self.refuse("support-without-viewers", "support", message, self.support.at)
            return None, tuple(self.findings)
        subjects = tuple(self.map.subjects.values())
        if not subjects:
            message = "support access is to a subject's data, and the data map has none"
            self.refuse("support-without-subject", "support", message, self.support.at)
        opened = [one for subject in subjects for one in self.own_rows(subject)]
        for link in self.support.links:
            opened += self.linked(link)
        switch = self.bind_switch(subjects)
        made = BoundSupport(self.support, staff, subjects, switch, tuple(dict.fromkeys(opened)))
        for subject in subjects:
            if not made.may_consent(subject.name) and self.support.switch is not None:
                message = f"{subject.name} has no switch: access to data of one is by break-glass alone"
                self.say(Severity.NOTE, "support-no-consent", subject.name, message, self.support.switch_at)
        failed = any(finding.severity is Severity.ERROR for finding in self.findings)
        return None if failed else made, tuple(self.findings)

    def say(self, severity: Severity, code: str, subject: str, message: str, at: Position, hint: str = "") -> None:
        self.findings.append(Finding(code, severity, subject, message, hint, at))

    def refuse(self, code: str, subject: str, message: str, at: Position, hint: str = "") -> None:
        self.say(Severity.ERROR, code, subject, message, at, hint)

    def own_rows(self, subject: BoundSubject) -> list[Opened]:
        """The person's own row."""
        hop = Hop(subject.key_columns, subject.table.name, subject.key_columns)
        return self.open(subject.table.name, subject.name, hop, self.support.at)

    def open(self, table: Name, subject: str, hop: Hop, at: Position) -> list[Opened]:
        resource = self.governed.get(table)
        if resource is None:
            message = f"{table} is not governed: support access opens nothing there that is not open already"
            self.say(Severity.WARNING, "support-not-governed", str(table), message, at)
            return []
        return [Opened(resource, subject, hop, at)]

    def linked(self, opened: OpenedLink) -> list[Opened]:
        """What one of `links` opens: the data map's link of the same columns, if it is one that every row bears itself."""
        wanted, at = opened.columns, opened.at
        tables = [table for name, table in self.map.tables.items() if matches(wanted.table, name)]
        hint = "links: names columns of the data map's links, such as cs.call_to_action.owner_id."
        if len(tables) != 1:
            known = nearest(str(wanted.table), [str(name) for name in self.map.tables]) or hint
            self.refuse("support-link", str(wanted), f"{wanted.table} is no table of the data map", at, known)
            return []
        mapped = tables[0]
        links = [one for one in mapped.links if not one.is_self and set(one.path.columns) == set(wanted.columns)]
        if not links:
            self.refuse("support-link", str(wanted), f"the data map has no link {wanted}", at, hint)
            return []
        found: list[Opened] = []
        for link in links:
            if not link.path.is_direct or link.when is not None:
                how = "leads through other tables" if not link.path.is_direct else "holds under a condition"
                message = f"the link {wanted} {how}, and support access opens links that rows bear themselves"
                self.refuse("support-link", str(wanted), message, at, "Leave it out of links:.")
                continue
            subject = self.map.subjects[link.subject]
            path = link.path
            target = subject.key_columns if path.identifier is None else (subject.identifiers[path.identifier].name,)
            found += self.open(mapped.table.name, subject.name, Hop(path.columns, subject.table.name, target), at)
        return found

    def bind_switch(self, subjects: tuple[BoundSubject, ...]) -> tuple[str, str] | None:
        """The column by which people allow support access to their data."""
        wanted, at = self.support.switch, self.support.switch_at
        if wanted is None:
            return None
        having = [subject for subject in subjects if matches(wanted.table, subject.table.name)]
        if len(having) != 1 or len(wanted.columns) != 1:
            message = f"{wanted} is no column of exactly one subject's table"
            self.refuse("support-switch", str(wanted), message, at)
            return None
        (subject,) = having
        column = subject.table.column(wanted.columns[0])
        if column is None or column.base_type != "boolean":
            known = [one.name for one in subject.table.columns if one.base_type == "boolean"]
            hint = nearest(wanted.columns[0], known)
            self.refuse("support-switch", str(wanted), f"{wanted} is no boolean column", at, hint)
            return None
        people = self.rules.people
        if people is not None and subject.table.name != people.table.name:
            message = f"{subject.name} are no viewers: nobody whom the rules bind can write {wanted}"
            self.say(Severity.WARNING, "support-switch", str(wanted), message, at)
        return subject.name, column.name
