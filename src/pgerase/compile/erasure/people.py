"""Who is erased: the people of a request, with what their links, fillers and heirs need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pgerase.catalog.model import Name
from pgerase.compile import sql
from pgerase.compile.bound import BoundRequirement
from pgerase.compile.emit import Emitter
from pgerase.compile.erasure import bound
from pgerase.compile.erasure.bound import BoundMap, BoundSubject
from pgerase.compile.erasure.parts import ROW, Part, key_name, key_names, key_text, names_for, unlike
from pgerase.compile.erasure.work import Work
from pgerase.compile.sql import ident, qualified, text_literal
from pgerase.errors import Finding

BELOW = "by_gone_below"
"""The way in which rows go with rows of the same table."""
ERASED_BEFORE = "v_erased"
"""The variable of the run that tells who had been erased when it began."""


@dataclass
class People:
    """The people of a statement; `findings` are what could not be compiled, `reads` the tables it reads besides."""

    data_map: BoundMap
    subject: BoundSubject
    work: tuple[Work, ...]
    emitter: Emitter
    is_erased: str
    """The function that knows whom the ledger has as erased, qualified."""
    is_requested: str
    """The function that knows who waits to be erased, qualified."""
    with_code: frozenset[Name]
    """Tables whose triggers of the application run: only there can a row that is changed turn out not to be."""
    required: Mapping[Name, Sequence[BoundRequirement]]
    """What the access rules require of readers of a table's rows, where they know the same people."""
    findings: list[Finding] = field(default_factory=list[Finding])
    reads: set[Name] = field(default_factory=set[Name])
    aliases: dict[Name, str] = field(default_factory=dict[Name, str])
    link_names: dict[Name, tuple[str, ...]] = field(default_factory=dict[Name, tuple[str, ...]])
    """The ways in which rows of a table are touched by its links, in their order."""
    gone_names: dict[Name, tuple[str, ...]] = field(default_factory=dict[Name, tuple[str, ...]])
    _parts: dict[tuple[Name, str], str] = field(default_factory=dict[tuple[Name, str], str])
    _taken: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        taken = {"given", "asked", "person", "manager", "climb", ROW}
        for one in self.work:
            wish = one.name.name if one.name.name not in taken else f"{one.name.schema}_{one.name.name}"
            self.aliases[one.name] = unlike(wish[:40], taken)
            taken.add(self.aliases[one.name])
        self._taken = taken
        for one in self.work:
            gone = ("gone " + " ".join(ref.hop.columns) for ref in one.gone)
            ways = names_for("by", [*(link.label for link in one.links), *gone], [BELOW])
            self.link_names[one.name] = ways[: len(one.links)]
            self.gone_names[one.name] = ways[len(one.links) :]

    def part_name(self, work: Work, what: str) -> str:
        """The name of a further part of a table; another table's may be called the same."""
        which = (work.name, what)
        if which not in self._parts:
            self._parts[which] = unlike(f"{self.aliases[work.name]}_{what}", self._taken)
            self._taken.add(self._parts[which])
        return self._parts[which]

    def gone_name(self, work: Work, reference: bound.BoundReference) -> str:
        """The way in which rows go, or are unlinked, with what a reference of theirs points to."""
        return self.gone_names[work.name][work.gone.index(reference)]

    def identifier_name(self, name: str) -> str:
        """The column of an identifier's value among the people."""
        identifiers = list(self.subject.identifiers)
        return names_for("id", identifiers)[identifiers.index(name)]

    def people(self, *, settled: bool = False) -> list[Part]:
        """The people of the request, with what their links, fillers and heirs need.

        `settled`: who had been erased is read from a variable, because by now all of them may be.
        """
        subject = self.subject
        single = len(subject.key) == 1
        keys = [
            f"given.key::{column.base_type} as {ident(key_name(column.name))}"
            if single
            else f"(given.key::jsonb ->> {place})::{column.base_type} as {ident(key_name(column.name))}"
            for place, column in enumerate(subject.key)
        ]
        identifiers = [f"given.{ident(self.identifier_name(name))}" for name in self.identifiers()]
        who = ERASED_BEFORE if settled and subject.lifecycle is not None else "p_erased"
        arrays = ["p_keys", "p_tokens", who, *(f"v_{self.identifier_name(name)}" for name in self.identifiers())]
        names = ["key", "token", "erased", *(self.identifier_name(name) for name in self.identifiers()), "number"]
        given = (
            f"select given.number, given.key, given.token, given.erased, {', '.join([*keys, *identifiers])}\n"
            f"from unnest({', '.join(arrays)})\n"
            f"    with ordinality as given ({', '.join(ident(name) for name in names)})"
        )
        own = self.equal("self", subject.key_columns, "given", key_names(subject))
        erased = "given.erased"
        if subject.lifecycle is not None and not settled:
            erased += f" or coalesce(self.{ident(subject.lifecycle.column)} = {subject.lifecycle.erased}, false)"
        wanted = ["given.number", "given.key as person", "given.token"]
        wanted += [f"given.{ident(name)}" for name in key_names(subject)]
        wanted += [
            # What fills an identifier of somebody erased is nobody's.
            f"case when not ({erased}) then given.{ident(self.identifier_name(name))} end as {ident(self.identifier_name(name))}"
            for name in self.identifiers()
        ]
        person = (
            "select " + ",\n    ".join([*wanted, f"({erased}) as is_erased"]) + "\n"
            f"from given\n    left join {qualified(subject.table.name)} as self on {own}"
        )
        comment = f"{subject.name}: {subject.table.name} ({subject.at})"
        parts = [Part("given", given, "The people of the request, in its order.")]
        if not (managers := self.managers()):
            return [*parts, Part("person", person, comment)]
        # With each person, so that nobody has to look for a manager row by row.
        last = ident(key_name(subject.key_columns[-1]))
        heirs = (
            f"select asked.*, manager.{last} as heir\nfrom asked\n"
            "    left join manager on manager.number = asked.number"
        )
        return [
            *parts,
            Part("asked", person, comment),
            *managers,
            Part("person", heirs, "The same, with their managers."),
        ]

    def identifiers(self) -> list[str]:
        """The identifiers by which some link finds rows."""
        used = {link.path.identifier for one in self.work for link in one.links if link.path.identifier is not None}
        return [name for name in self.subject.identifiers if name in used]

    def identifier_names(self) -> list[tuple[str, str]]:
        """Identifiers by which rows are found, with their names in SQL."""
        return [(name, self.identifier_name(name)) for name in self.identifiers()]

    def managers(self) -> list[Part]:
        """The nearest manager of each person who is active and stays; whoever stands in between is passed over."""
        subject = self.subject
        asked = any(
            isinstance(candidate, bound.ToManager)
            for one in self.work
            for link in one.links
            for rule in link.rules
            for candidate in rule.candidates
        )
        if not asked or subject.manager is None:
            return []
        *rest, last = subject.key_columns
        table, manager, key = qualified(subject.table.name), ident(subject.manager.name), ident(key_name(last))
        same = [f"boss.{ident(name)} = asked.{ident(key_name(name))}" for name in rest]
        boss = " and ".join([*same, f"boss.{ident(last)} = climb.{key}"])
        climb = (
            f"select asked.number, self.{manager} as {key}, 1 as height\n"
            f"from asked\n    join {table} as self on {self.equal('self', subject.key_columns, 'asked', key_names(subject))}\n"
            "union all\n"
            f"select climb.number, boss.{manager}, climb.height + 1\n"
            "from climb\n    join asked on asked.number = climb.number\n"
            f"    join {table} as boss on {boss}\n"
            f"where not ({self.stays('boss', 'asked')})"
        )
        manager_query = (
            f"select distinct on (climb.number) climb.number, climb.{key}\n"
            "from climb\n    join asked on asked.number = climb.number\n"
            f"    join {table} as boss on {boss}\n"
            f"where not climb.is_circle and {self.stays('boss', 'asked')}\n"
            "order by climb.number, climb.height"
        )
        circle = f" cycle number, {key} set is_circle using climbed"
        return [
            Part("climb", climb, "Up from each person, past those who are not active or go as well.", circle),
            Part("manager", manager_query, "The first on the way up who is active and stays."),
        ]

    def stays(self, alias: str, people: str = "person") -> str:
        """Whether a person's row is active and in no open request, neither in this batch (`people`) nor in another."""
        subject = self.subject
        here = sql.exists(
            sql.select(
                "", [f"{people} as leaving"], [self.equal("leaving", key_names(subject), alias, subject.key_columns)]
            )
        )
        if subject.lifecycle is not None:
            active = f"{alias}.{ident(subject.lifecycle.column)} = {subject.lifecycle.active}"
        else:
            active = f"not {self.is_erased}({text_literal(subject.name).strip()}, {key_text(subject, alias)})"
        later = f"{self.is_requested}({text_literal(subject.name).strip()}, {key_text(subject, alias)})"
        return f"{active} and not {here} and not {later}"

    @staticmethod
    def equal(left: str, left_columns: Sequence[str], right: str, right_columns: Sequence[str]) -> str:
        """Columns pairwise equal."""
        pairs = zip(left_columns, right_columns, strict=True)
        return " and ".join(f"{left}.{ident(mine)} = {right}.{ident(theirs)}" for mine, theirs in pairs)
