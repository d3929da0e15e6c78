"""Whom to look as: people sampled by stated strata, and sessions that are nobody's. Drawn with a seed, so that it can be repeated."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pgerase.catalog.model import Catalog, Name
from pgerase.errors import Finding, Severity
from pgerase.meaning import Session
from pgerase.meaning.conditions import person_scope
from pgerase.meaning.decide import Values
from pgerase.meaning.paths import Facts, Row
from pgerase.meaning.people import People
from pgerase.meaning.structure import roles_of
from pgerase.meaning.values import Many
from pgerase.rules.access import AccessRules, IdentityKind, ManagerColumn
from pgerase.rules.conditions import All, AnyOf, IsRole
from pgerase.verify.model import Sample
from pgerase.verify.needs import Needs, who_conditions

_DISTINCT = 24
"""Different combinations of what the rules ask about people of which each gets a viewer."""
_ASKED = 100
"""People of whom groups, relations and every `who` are evaluated to find these; drawn, where there are more."""
_RELATED = 50
_LIKELY = 5
_NO_IDENTITY = "{"
"""Neither claims nor a stamped key nor a proof."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """A session to look with. `presented` None presents no identity; where it is not `valid` it is what the setting holds, but no
    identity. `session` is what the rules are asked about; None where such a session may see nothing at all.
    """

    stratum: str
    label: str
    presented: str | None
    session: Session | None
    valid: bool = True
    role: str | None = None
    """The role to be, where the session is known by its role alone."""


class Population:
    """The viewers table's people, and what the rules distinguish about them."""

    def __init__(
        self, access: AccessRules, catalog: Catalog, data: Mapping[Name, Sequence[Values]], now: datetime
    ) -> None:
        """Raises PgeraseError where the people cannot be evaluated."""
        assert access.viewers is not None
        self._access = access
        self._viewers = access.viewers
        self._catalog = catalog
        facts = Facts(catalog, access.references, data)
        self._facts = facts
        self.people = People(access.viewers, access.groups, facts, now)
        self.table = facts.table(access.viewers.table)
        self.rows = facts.rows(self.table)

    def key(self, person: Row) -> str:
        """The key as PostgreSQL prints it."""
        value = self.people.key(person).value
        text = str(value)
        return text.rstrip(" ") if self.people.key(person).kind.name in {"character", "bpchar"} else text

    def circles(self) -> list[Finding]:
        """A note where people, or roles, stand above one another in a circle: they reach each other (docs/meaning.md, 7)."""
        found = self.people.in_circles()
        if not found:
            return []
        table = str(found[0].table.name)
        who = "1 row stands above itself" if len(found) == 1 else f"{len(found)} rows stand above one another"
        message = f"{who} in a circle: whoever is in it reaches all the others"
        hint = "Correct the hierarchy, unless they are meant to have each other's rights."
        return [Finding("hierarchy-circle", Severity.NOTE, table, message, hint)]

    def strata(
        self, governed: Iterable[Name], needs: Needs, sample: Sample, holders: Collection[str]
    ) -> Iterator[tuple[str, list[Row]]]:
        """The strata in the order of their weight, each with the people in it, in a drawn order, and cut to what is wanted."""
        draw = random.Random(f"{sample.seed} viewers")  # noqa: S311 - a sample, not a secret
        everybody = [row for row in self.rows if self.people.key(row).value is not None]
        draw.shuffle(everybody)
        people, viewers = self.people, self._viewers
        active = [row for row in everybody if people.is_active(row)]
        asked = active[:_ASKED]
        supers = [row for row in everybody if people.is_super_admin(row)]
        yield "super admin", [row for row in supers if people.is_active(row)][:4]
        if holders:
            yield "holder of a support grant", [row for row in active if self.key(row) in holders][:3]
        yield "super admin, inactive", [row for row in supers if not people.is_active(row)][:1]
        if viewers.erased is not None:
            erased = [row for row in everybody if people.conditions.holds(viewers.erased, person_scope(row)) is True]
            yield "erased", erased[:1]
        yield "inactive", [row for row in everybody if not people.is_active(row)][:2]
        if isinstance(viewers.manager, ManagerColumn):
            column = viewers.manager.column
            orphans = [row for row in active if self._facts.single(row, column).value is None]
            yield "no manager", orphans[:1]
            above = {self._facts.single(row, column).value for row in supers}
            # What is a super admin's alone is not passed on to them.
            yield (
                "above a super admin",
                [row for row in active if people.key(row).value in above and row not in supers][:1],
            )
            # Whoever has most reports of his own, or nobody above, is likely to reach most: everybody's reach costs too much.
            reports = Counter(self._facts.single(row, column).value for row in everybody)
            likely = sorted(active, key=lambda row: -reports[people.key(row).value])[:_LIKELY] + orphans[:_LIKELY]
            yield "widest reach", sorted(likely, key=lambda row: -len(people.reach(row)))[:2]
            yield "reaches nobody else", [row for row in active if not reports[people.key(row).value]][:2]
        elif viewers.manager is not None:
            wide = {row: len(people.reach(row)) for row in asked[:_LIKELY]}
            yield "widest reach", sorted(wide, key=lambda row: -wide[row])[:2]
            yield "reaches nobody else", [row for row in wide if wide[row] == 1][:2]
        for name in needs.groups:
            inside = [row for row in asked if people.is_member(row, (name,))]
            yield f"in group {name}", inside[:1]
            yield f"not in group {name}", [row for row in asked if row not in inside][:1]
        for name in needs.relations:
            values = {row: self._values(row, name) for row in asked[:_RELATED]}
            yield f"with {name}", sorted((row for row in values if values[row]), key=lambda row: -values[row])[:2]
            yield f"without {name}", [row for row in values if not values[row]][:1]
        conditions = who_conditions(self._access, set(governed), self._catalog)
        kinds: dict[tuple[object, ...], Row] = {}
        askable = [condition for condition in conditions if not _is_role(condition)]
        for row in asked:
            kinds.setdefault(tuple(people.who(row, condition) for condition in askable), row)
        yield "one of every kind the rules tell apart", list(kinds.values())[:_DISTINCT]
        yield "any", active[: sample.viewers]

    def _values(self, row: Row, name: str) -> int:
        found = self.people.attribute(row, name)
        return len(found.values or ()) if isinstance(found, Many) else 0


def sample_viewers(
    access: AccessRules,
    population: Population | None,
    governed: Sequence[Name],
    needs: Needs,
    sample: Sample,
    key_type: str,
    holders: Collection[str] = (),
) -> tuple[Viewer, ...]:
    """People by strata up to `sample.viewers`, then sessions without a person, with a wrong one, and of roles. `holders` of support
    grants are among them.
    """
    found: list[Viewer] = []
    if population is not None:
        taken: set[Row] = set()
        for stratum, rows in population.strata(governed, needs, sample, holders):
            for row in rows:
                if row not in taken and len(taken) < sample.viewers:
                    taken.add(row)
                    key = population.key(row)
                    found.append(Viewer(stratum, key, key, Session(key, "")))
    return (*found, *_sessions_without_person(access, population, key_type), *_roles(access))


def _sessions_without_person(access: AccessRules, population: Population | None, key_type: str) -> Iterator[Viewer]:
    kind = IdentityKind.SETTING if access.viewers is None else access.viewers.identity.kind
    if kind is not IdentityKind.ROLE:
        # Where people are their logins somebody is always presented.
        yield Viewer("nobody", "(nobody)", None, Session(None, ""))
    if population is None:
        return
    known = {population.key(row) for row in population.rows if population.people.key(row).value is not None}
    for text in _unknown(key_type, known):
        yield Viewer("unknown key", "(unknown key)", text, Session(text, ""))
    for text in ("abc' or true --", "null", "-0"):
        if text not in known:
            yield Viewer("garbage", f"(garbage {text!r})", text, Session(text, ""))
    active = next((row for row in population.rows if population.people.is_active(row)), None)
    if active is None:
        return
    key = population.key(active)
    match kind:
        case IdentityKind.CLAIMS:
            yield Viewer(
                "malformed claims", f"(malformed claims of {key})", json.dumps({"sub": key})[:-1], None, valid=False
            )
        case IdentityKind.SETTING | IdentityKind.TOKEN:
            yield Viewer("leftover of another transaction", f"(leftover of {key})", key, None, valid=False)
        case IdentityKind.ROLE:
            pass


def _unknown(key_type: str, known: set[str]) -> Iterator[str]:
    if key_type == "uuid":
        candidates = ("00000000-0000-4000-8000-00000000dead",)
    elif key_type in {"smallint", "integer", "bigint"}:
        candidates = tuple(str(number) for number in range(32000, 31000, -1))
    else:
        candidates = ("nobody-of-this-name",)
    yield from [text for text in candidates if text not in known][:1]


def _roles(access: AccessRules) -> Iterator[Viewer]:
    """Sessions of every role that a rule is for."""
    names: dict[str, None] = {}
    for resource in access.resources:
        for rule in resource.rules:
            for name in roles_of(rule) or ():
                names[name] = None
    by_login = access.viewers is not None and access.viewers.identity.kind is IdentityKind.ROLE
    for name in names:
        yield Viewer(f"role {name}", f"(role {name})", None, Session(None, name), role=name)
        if not by_login:
            # Whoever presents something that is no identity is no visitor either (docs/meaning.md, 12).
            invalid = f"role {name}, invalid identity"
            yield Viewer(invalid, f"({invalid})", _NO_IDENTITY, None, valid=False, role=name)


def _is_role(condition: object) -> bool:
    while isinstance(condition, All | AnyOf) and len(condition.terms) == 1:
        condition = condition.terms[0]
    return isinstance(condition, IsRole)
