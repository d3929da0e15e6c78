"""The erasing statement of one kind of person: everything is found against one state, then changed at once.

All updates and deletes are data-modifying parts of *one* statement. They all see the state before it, foreign keys are checked
at its end, so nothing needs an order and circles need no breaking (PostgreSQL manual, 7.8.4; field notes on erasing). No row is
in two of them: what becomes of a row is decided once, in the part named after its table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pgerase.catalog.model import Name, Table
from pgerase.compile import sql
from pgerase.compile.bound import BoundCondition
from pgerase.compile.emit import Emitter, Env
from pgerase.compile.erasure import bound
from pgerase.compile.erasure.bound import CHANGE, Backward, BoundLink, BoundMap, BoundSubject, Forward, Gone, Verb
from pgerase.compile.erasure.fill import Misfit, comparable, leaves_alone, new_value
from pgerase.compile.erasure.work import Work
from pgerase.compile.sql import fit_name, ident, indent, qualified, text_literal
from pgerase.errors import Finding, Position, Severity
from pgerase.rules import data_map as rules

STRENGTH = ("delete", "reassign", "ghost", "unlink", "change", "keep")
"""What a row is counted as where one person has it by several links: the first that applies."""
_ROW = "t"


@dataclass(frozen=True, slots=True)
class Part:
    """One `name as (query)` of the statement, with its comment and what follows the query (a CYCLE clause)."""

    name: str
    query: str
    comment: str
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """One thing that may become of a row by one link: its label, when (None: else), and the columns it changes."""

    label: str
    when: str | None
    changes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Hit:
    """One way in which rows of a table are touched: what to join, whose number it gives, and what becomes of the row."""

    name: str
    joins: tuple[str, ...]
    number: str
    outcomes: tuple[_Outcome, ...]
    comment: str

    def joined(self, word: str) -> list[str]:
        return [f"{word} {one}" for one in self.joins]


@dataclass(slots=True)
class Statement:
    """The parts of the statement for one subject; `findings` are what could not be compiled, `tables` what it reads besides."""

    data_map: BoundMap
    subject: BoundSubject
    work: tuple[Work, ...]
    emitter: Emitter
    is_erased: str
    """The function that knows whom the ledger has as erased, qualified."""
    with_code: frozenset[Name]
    """Tables whose triggers of the application run: only there can a row that is changed turn out not to be."""
    findings: list[Finding] = field(default_factory=list[Finding])
    reads: set[Name] = field(default_factory=set[Name])
    aliases: dict[Name, str] = field(default_factory=dict[Name, str])

    def __post_init__(self) -> None:
        taken = {"given", "person", "manager", "climb", _ROW}
        for one in self.work:
            wish = one.name.name if one.name.name not in taken else f"{one.name.schema}_{one.name.name}"
            alias, number = fit_name(wish[:40]), 1
            while alias in taken:
                number += 1
                alias = fit_name(f"{wish[:40]}_{number}")
            taken.add(alias)
            self.aliases[one.name] = alias

    # People -------------------------------------------------------------------------------------------------------

    def people(self) -> list[Part]:
        """The people of the request, with what their links, fillers and heirs need."""
        subject = self.subject
        single = len(subject.key) == 1
        keys = [
            f"given.key::{column.base_type} as {ident(column.name)}"
            if single
            else f"(given.key::jsonb ->> {place})::{column.base_type} as {ident(column.name)}"
            for place, column in enumerate(subject.key)
        ]
        identifiers = [f"given.{ident(_identifier(name))}" for name in self.identifiers()]
        arrays = ["p_keys", "p_tokens", "p_erased", *(f"v_{_identifier(name)}" for name in self.identifiers())]
        names = ["key", "token", "erased", *(_identifier(name) for name in self.identifiers()), "number"]
        given = (
            f"select given.number, given.key, given.token, given.erased, {', '.join([*keys, *identifiers])}\n"
            f"from unnest({', '.join(arrays)})\n"
            f"    with ordinality as given ({', '.join(ident(name) for name in names)})"
        )
        own = self.equal("self", subject.key_columns, "given", subject.key_columns)
        erased = "given.erased"
        if subject.lifecycle is not None:
            erased += f" or coalesce(self.{ident(subject.lifecycle.column)} = {subject.lifecycle.erased}, false)"
        wanted = ["given.number", "given.key as person", "given.token"]
        wanted += [f"given.{ident(name)}" for name in subject.key_columns]
        wanted += [
            # What fills an identifier of somebody erased is nobody's.
            f"case when not ({erased}) then given.{ident(_identifier(name))} end as {ident(_identifier(name))}"
            for name in self.identifiers()
        ]
        person = (
            "select " + ",\n    ".join([*wanted, f"({erased}) as is_erased"]) + "\n"
            f"from given\n    left join {qualified(subject.table.name)} as self on {own}"
        )
        parts = [
            Part("given", given, "The people of the request, in its order."),
            Part("person", person, f"{subject.name}: {subject.table.name} ({subject.at})"),
        ]
        return [*parts, *self.managers()]

    def identifiers(self) -> list[str]:
        """The identifiers by which some link finds rows."""
        used = {link.path.identifier for one in self.work for link in one.links if link.path.identifier is not None}
        return [name for name in self.subject.identifiers if name in used]

    def identifier_names(self) -> list[tuple[str, str]]:
        """Identifiers by which rows are found, with their names in SQL."""
        return [(name, _identifier(name)) for name in self.identifiers()]

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
        table, manager, key = qualified(subject.table.name), ident(subject.manager.name), ident(last)
        same = [f"boss.{ident(name)} = person.{ident(name)}" for name in rest]
        boss = " and ".join([*same, f"boss.{key} = climb.{key}"])
        climb = (
            f"select person.number, self.{manager} as {key}, 1 as height\n"
            f"from person\n    join {table} as self on {self.equal('self', subject.key_columns, 'person', subject.key_columns)}\n"
            "union all\n"
            f"select climb.number, boss.{manager}, climb.height + 1\n"
            "from climb\n    join person on person.number = climb.number\n"
            f"    join {table} as boss on {boss}\n"
            f"where not ({self.stays('boss')})"
        )
        manager_query = (
            f"select distinct on (climb.number) climb.number, climb.{key}\n"
            "from climb\n    join person on person.number = climb.number\n"
            f"    join {table} as boss on {boss}\n"
            f"where not climb.is_circle and {self.stays('boss')}\n"
            "order by climb.number, climb.height"
        )
        circle = f" cycle number, {key} set is_circle using climbed"
        return [
            Part("climb", climb, "Up from each person, past those who are not active or go as well.", circle),
            Part("manager", manager_query, "The first on the way up who is active and stays."),
        ]

    def stays(self, alias: str) -> str:
        """Whether a person's row is active and not in the request."""
        subject = self.subject
        here = sql.exists(
            sql.select(
                "", ["person as leaving"], [self.equal("leaving", subject.key_columns, alias, subject.key_columns)]
            )
        )
        if subject.lifecycle is not None:
            active = f"{alias}.{ident(subject.lifecycle.column)} = {subject.lifecycle.active}"
        else:
            active = f"not {self.is_erased}({text_literal(subject.name).strip()}, {key_text(subject, alias)})"
        return f"{active} and not {here}"

    @staticmethod
    def equal(left: str, left_columns: Sequence[str], right: str, right_columns: Sequence[str]) -> str:
        """Columns pairwise equal."""
        pairs = zip(left_columns, right_columns, strict=True)
        return " and ".join(f"{left}.{ident(mine)} = {right}.{ident(theirs)}" for mine, theirs in pairs)

    # What is found ------------------------------------------------------------------------------------------------

    def found(self, *, plain: bool) -> list[Part]:
        """For each table, which rows are touched, by whom, and what becomes of them; `plain`: also where that needs no look."""
        return [part for one in self.work if plain or self.plain(one) is None for part in self.found_in(one)]

    def found_in(self, work: Work) -> list[Part]:
        alias = self.aliases[work.name]
        parts: list[Part] = []
        hits: list[_Hit] = []
        for number, link in enumerate(work.links):
            name = _hit_name(link.label, number)
            if not link.path.is_direct:
                via = fit_name(f"{alias}_{name}")
                parts.append(Part(via, self.via(work, link), f"{work.name} by {link.label} ({link.at})"))
            hits.append(self.link_hit(work, link, name, fit_name(f"{alias}_{name}")))
        hits += [self.gone_hit(work, one, self.aliases[one.hop.target]) for one in work.gone_from_others]
        if not work.gone_from_self:
            return [*parts, Part(alias, self.decided(work, hits), self.why(work, hits))]
        # Rows that point to rows of the same table: first those found otherwise, then whatever goes with them.
        first = fit_name(f"{alias}_direct")
        parts.append(Part(first, self.decided(work, hits), self.why(work, hits)))
        for place, one in enumerate(work.gone_from_self):
            source = first
            if one.gone is Gone.DELETE:
                source = fit_name(f"{alias}_below_{place + 1}")
                parts.append(
                    Part(source, self.below(work, one, first), f"What points to them goes with them ({one.label}).")
                )
            hits.append(self.gone_hit(work, one, source, of_itself=one.gone is Gone.DELETE))
        return [*parts, Part(alias, self.decided(work, hits), f"{work.name}, with what goes along.")]

    def why(self, work: Work, hits: Iterable[_Hit]) -> str:
        at = f" ({work.mapped.at})" if work.mapped is not None else ""
        return f"{work.name}{at}: " + "; ".join(hit.comment for hit in hits)

    def via(self, work: Work, link: BoundLink) -> str:
        """For a link over several tables: which values of the row's own columns lead to whom."""
        path = link.path
        aliases = [f"r{place + 1}" for place in range(len(path.steps))]
        tables = [self.step_table(step) for step in path.steps]
        self.reads.update(table.name for table in tables)
        holder = "person"
        wanted = self.person_columns(path)
        sources = ["person"]
        conditions: list[str] = []
        for place in reversed(range(len(path.steps))):
            here = aliases[place]
            if place == len(path.steps) - 1:
                joined = self.equal(here, path.columns, holder, wanted)
            else:
                joined = self.step_equal(path.steps[place + 1], here, aliases[place + 1])
            sources.append(f"join {qualified(tables[place].name)} as {here} on {joined}")
        for depth, when in path.whens:
            conditions += self.holds(when, aliases[depth - 1])
        for place, step in enumerate(path.steps):
            if isinstance(step, Backward):
                # The row that a filler points to is nobody's.
                conditions += [
                    f"{aliases[place]}.{ident(name)} is distinct from {value}" for name, value in step.fillers
                ]
        mine, theirs = _ends(path.steps[0])
        out = [f"r1.{ident(other)} as {ident(own)}" for own, other in zip(mine, theirs, strict=True)]
        if path.finds_one:
            return sql.select(", ".join([*out, "person.number"]), sources, conditions)
        which = "max" if work.mapped is not None and work.mapped.only_last else "min"
        grouped = ", ".join(f"r1.{ident(other)}" for other in theirs)
        query = sql.select(", ".join([*out, f"{which}(person.number) as number"]), sources, conditions)
        return f"{query}\ngroup by {grouped}"

    def step_table(self, step: Forward | Backward) -> Table:
        return step.table if isinstance(step, Backward) else self.emitter.facts.catalog.tables[step.hop.target]

    def step_equal(self, step: Forward | Backward, here: str, there: str) -> str:
        mine, theirs = _ends(step)
        return self.equal(there, theirs, here, mine)

    def person_columns(self, path: bound.RowPath) -> tuple[str, ...]:
        return self.subject.key_columns if path.identifier is None else (_identifier(path.identifier),)

    def holds(self, when: BoundCondition, alias: str) -> list[str]:
        """A condition on a row, or on the person whose row it is, as texts safe next to AND."""
        taken = frozenset({alias, _ROW, "person", "given", "manager", "climb"})
        env = Env(row=alias, person=alias, as_set=False, taken=taken)
        return self.emitter.conjuncts(when, env, positive=True)

    def link_hit(self, work: Work, link: BoundLink, name: str, via: str) -> _Hit:
        conditions = [] if link.when is None else self.holds(link.when, _ROW)
        if link.path.is_direct:
            on = [self.equal(name, self.person_columns(link.path), _ROW, link.path.columns)]
            if link.is_self:
                on.append(f"not {name}.is_erased")
            joins = (f"person as {name} on {' and '.join([*on, *conditions])}",)
        else:
            mine, _ = _ends(link.path.steps[0])
            on = [self.equal(f"via_{name}", mine, _ROW, mine), *conditions]
            joins = (
                f"{ident(via)} as via_{name} on {' and '.join(on)}",
                f"person as {name} on {name}.number = via_{name}.number",
            )
        comment = f"by {link.label} ({link.at})" if not link.is_self else "the person's own row"
        return _Hit(name, joins, f"{name}.number", self.outcomes(work, link, name), comment)

    def gone_hit(self, work: Work, reference: bound.BoundReference, source: str, *, of_itself: bool = False) -> _Hit:
        """Rows whose row goes; `of_itself`: the source holds the very rows that go."""
        name = _hit_name("gone " + "_".join(reference.hop.columns), 0)
        if of_itself:
            ids = identity(work.table)
            joins = (f"{ident(source)} as {name} on {self.equal(name, ids, _ROW, ids)}",)
            number = f"{name}.number"
        else:
            pointed = self.equal(name, reference.hop.target_columns, _ROW, reference.hop.columns)
            joins = (f"{ident(source)} as {name} on {name}.deleted_by is not null and {pointed}",)
            number = f"{name}.deleted_by"
        verb = Verb.DELETE if reference.gone is Gone.DELETE else Verb.UNLINK
        outcome = _Outcome(verb, None, reference.values)
        return _Hit(name, joins, number, (outcome,), f"with the row of {reference.hop.target} ({reference.label})")

    def below(self, work: Work, reference: bound.BoundReference, first: str) -> str:
        """Rows of a table that point to deleted rows of it, and those that point to them, and so on."""
        ids = identity(work.table)
        listed = ", ".join(f"t.{ident(name)}" for name in ids)
        # A row goes with the first person who deletes what it hangs on.
        seed = (
            f"select {listed}, {first}.deleted_by as number{self.exposed(work, 't')}\n"
            f"from {first}\n    join {qualified(work.name)} as t"
            f" on {self.equal('t', reference.hop.columns, first, reference.hop.target_columns)}\n"
            f"where {first}.deleted_by is not null"
        )
        step = (
            f"select {listed}, below.number{self.exposed(work, 't')}\n"
            f"from below\n    join {qualified(work.name)} as t"
            f" on {self.equal('t', reference.hop.columns, 'below', reference.hop.target_columns)}"
        )
        outer = ", ".join(f"below.{ident(name)}" for name in ids)
        return (
            f"with recursive below as (\n    {indent(seed)}\n    union\n    {indent(step)}\n)\n"
            f"select {outer}, min(below.number) as number\nfrom below\ngroup by {outer}"
        )

    def exposed(self, work: Work, alias: str) -> str:
        """Columns besides the row's identity that rows pointing here are found by."""
        return "".join(f", {alias}.{ident(name)}" for name in self.exposed_names(work))

    def exposed_names(self, work: Work) -> tuple[str, ...]:
        ids = identity(work.table)
        pointed = {
            name
            for other in self.work
            for one in other.gone
            if one.hop.target == work.name
            for name in one.hop.target_columns
        }
        return tuple(sorted(pointed - set(ids)))

    # What becomes of a row ----------------------------------------------------------------------------------------

    def outcomes(self, work: Work, link: BoundLink, name: str) -> tuple[_Outcome, ...]:
        made: list[_Outcome] = []
        seen: dict[Verb, int] = {}
        for rule in link.rules:
            seen[rule.verb] = seen.get(rule.verb, 0) + 1
            again = f" {seen[rule.verb]}" if seen[rule.verb] > 1 else ""
            conditions = [] if rule.when is None else self.holds(rule.when, _ROW)
            if rule.verb is Verb.DELETE and work.keeps_needed:
                conditions += [f"not {needed}" for needed in self.needed(work)]
            when = " and ".join(conditions) if conditions else None
            changes = () if rule.verb is Verb.DELETE else tuple(self.changes(work, link, rule, name).items())
            made.append(_Outcome(f"{rule.verb}{again}", when, changes))
            if when is None:
                return tuple(made)
        return (*made, _Outcome(Verb.KEEP + (" 0" if Verb.KEEP in seen else ""), None, ()))

    def needed(self, work: Work) -> Iterable[str]:
        """Whether somebody else still points to the row: anybody but the people of the request, whose columns let go of it."""
        for one in work.keeps_needed:
            conditions = [self.equal("other", one.hop.columns, _ROW, one.hop.target_columns)]
            self.reads.add(one.source)
            own = self.data_map.tables.get(one.source)
            released = own is not None and all(
                name in own.columns and not leaves_alone(own.columns[name].treatments) for name in one.hop.columns
            )
            if one.source == self.subject.table.name and released:
                mine = self.equal("leaving", self.subject.key_columns, "other", self.subject.key_columns)
                conditions.append(f"not {sql.exists(sql.select('', ['person as leaving'], [mine]))}")
            yield sql.exists(sql.select("", [f"{qualified(one.source)} as other"], conditions))

    def changes(self, work: Work, link: BoundLink, rule: bound.BoundRule, name: str) -> dict[str, str]:
        """The columns that a rule changes, with their new values."""
        changed: dict[str, str] = {}
        mapped = work.mapped
        assert mapped is not None
        if rule.candidates:
            changed.update(self.handed_over(link, rule, name))
        if link.is_self and self.subject.lifecycle is not None:
            changed[self.subject.lifecycle.column] = self.subject.lifecycle.erased
        if link.path.identifier is not None and link.path.is_direct and not rule.candidates:
            changed.update(self.followed(link, name))
        replaced = dict(rule.columns)
        for column in (*link.columns, *(one for one in replaced if one not in link.columns)):
            entry = mapped.columns.get(column)
            treatments = replaced.get(column, entry.treatments if entry is not None else ())
            at = rule.at if column in replaced else entry.at if entry is not None else rule.at
            if not treatments and entry is not None:
                self.findings.append(_not_treated(work.table, column, at))
            if treatments and not leaves_alone(treatments):
                self.treat(work.table, column, treatments, name, changed)
        changed.update(rule.marks)
        return changed

    def treat(
        self, table: Table, column: str, treatments: tuple[rules.Treatment, ...], person: str, changed: dict[str, str]
    ) -> None:
        found = table.column(column)
        assert found is not None
        try:
            changed[column] = new_value(table, found, treatments, _ROW, person)
        except Misfit as misfit:
            self.findings.append(misfit.finding(table, found))

    def followed(self, link: BoundLink, name: str) -> dict[str, str]:
        """A kept link by identifier takes the identifier's new value."""
        assert link.path.identifier is not None
        column = self.subject.identifiers[link.path.identifier]
        own = self.data_map.tables[self.subject.table.name].columns.get(column.name)
        if own is None or leaves_alone(own.treatments):
            return {}
        try:
            value = new_value(self.subject.table, column, own.treatments, "self", name)
        except Misfit:
            return {}  # Reported where the column itself is treated.
        if "self." in value:
            message = f"{link.label} holds {column.name}, whose new value depends on the person's row"
            self.findings.append(_refusal("not-compiled-yet", str(link.label), message, link.at))
        return {link.path.columns[0]: value}

    def handed_over(self, link: BoundLink, rule: bound.BoundRule, name: str) -> dict[str, str]:
        """What the link columns become: the first candidate there is."""
        columns = link.path.columns
        values: dict[str, list[str]] = {}
        for candidate in rule.candidates:
            match candidate:
                case bound.ToManager():
                    last = ident(self.subject.key_columns[-1])
                    query = f"(select manager.{last} from manager where manager.number = {name}.number)"
                    values.setdefault(columns[-1], []).append(query)
                case bound.ToPool(value):
                    values.setdefault(columns[-1], []).append(self.pool(value, columns))
                case bound.ToValue(pairs):
                    for column, value in pairs:
                        values.setdefault(column, []).append(value)
        return {column: f"coalesce({', '.join(one)})" if len(one) > 1 else one[0] for column, one in values.items()}

    def pool(self, value: bound.ColumnValue, columns: tuple[str, ...]) -> str:
        """The person that the row's path leads to, if active and staying."""
        subject = self.subject
        env = Env(row=_ROW, as_set=False, taken=frozenset({_ROW, "pool", "leaving"}))
        *rest, last = subject.key_columns
        conditions = [f"pool.{ident(last)} = {self.emitter.value(value, env)}"]
        conditions += [f"pool.{ident(key)} = {_ROW}.{ident(mine)}" for key, mine in zip(rest, columns, strict=False)]
        conditions.append(self.stays("pool"))
        return sql.subquery(sql.select(f"pool.{ident(last)}", [f"{qualified(subject.table.name)} as pool"], conditions))

    def decided(self, work: Work, hits: list[_Hit]) -> str:
        """One row for each row that is touched: by whom, what becomes of it, and the new values."""
        table = qualified(work.name)
        ids = identity(work.table)
        changed = list(dict.fromkeys(c for hit in hits for outcome in hit.outcomes for c, _ in outcome.changes))
        if len(hits) == 1:
            sources = [f"{table} as {_ROW}", *hits[0].joined("join")]
        else:
            each = [
                "select "
                + ", ".join(f"{_ROW}.{ident(name)}" for name in ids)
                + f"\nfrom {table} as {_ROW}\n    "
                + "\n    ".join(hit.joined("join"))
                for hit in hits
            ]
            united = "\nunion\n".join(each)
            sources = [
                f"(\n    {indent(united)}\n) as touched",
                f"join {table} as {_ROW} on {self.equal(_ROW, ids, 'touched', ids)}",
                *(join for hit in hits for join in hit.joined("left join")),
            ]
        # A table with one link and one rule needs no case: its rows are there because that rule is theirs.
        sure = len(hits) == 1 and len(hits[0].outcomes) == 1 and hits[0].outcomes[0].when is None
        if sure:
            verbs = {hits[0].name: f"{text_literal(hits[0].outcomes[0].label).strip()}::text"}
            values = list(dict(hits[0].outcomes[0].changes).values())
            deletes = hits[0].outcomes[0].label.startswith(Verb.DELETE)
            deleted = [hits[0].number if deletes else "null::bigint"]
        else:
            verbs = {hit.name: f"verb.{hit.name}" for hit in hits}
            sources.append(_lateral([self.verb(hit, alone=len(hits) == 1) for hit in hits], "verb", [*verbs]))
            values = [self.becomes(hits, column) for column in changed]
            deleted = [f"case when verb.{hit.name} like 'delete%' then {hit.number} end" for hit in hits]
        if changed:
            sources.append(_lateral(values, "becomes", changed))
        deleted_by = deleted[0] if len(deleted) == 1 else "least(\n    " + ",\n    ".join(deleted) + "\n)"
        out = [f"{_ROW}.{ident(name)}" for name in ids]
        out += [f"{_ROW}.{ident(name)}" for name in self.exposed_names(work)]
        out += [f"{hit.number} as number_{hit.name}" for hit in hits]
        out += [f"{verb} as verb_{name}" for name, verb in verbs.items()]
        out += [f"becomes.{ident(column)} as {ident(_new(column))}" for column in changed]
        out += [f"{self.differs(work.table, changed)} as changes", f"{deleted_by} as deleted_by"]
        return (
            "select "
            + ",\n    ".join(indent(one) for one in out)
            + "\nfrom "
            + "\n    ".join(indent(source) for source in sources)
        )

    def verb(self, hit: _Hit, *, alone: bool) -> str:
        cases = [] if alone else [f"when {hit.number} is null then null"]
        *some, last = hit.outcomes
        cases += [f"when {outcome.when} then {text_literal(outcome.label).strip()}" for outcome in some]
        default = text_literal(last.label).strip()
        if last.when is not None:
            cases.append(f"when {last.when} then {default}")
            default = "null"
        if not cases:
            return f"{default}::text"
        return "case\n    " + "\n    ".join(indent(case) for case in cases) + f"\n    else {default}\nend"

    def becomes(self, hits: list[_Hit], column: str) -> str:
        """The new value of a column: of the first link that changes it."""
        cases: list[str] = []
        for hit in hits:
            for outcome in hit.outcomes:
                value = dict(outcome.changes).get(column)
                if value is not None:
                    cases.append(f"when verb.{hit.name} = {text_literal(outcome.label).strip()} then {indent(value)}")
        return "case\n    " + "\n    ".join(cases) + f"\n    else {_ROW}.{ident(column)}\nend"

    def differs(self, table: Table, changed: list[str], values: Iterable[tuple[str, str]] = ()) -> str:
        """Whether some column takes another value: those of `becomes`, or `values` themselves."""
        if not changed:
            return "false"
        named = dict(values)
        casts = [comparable(column) for name in changed if (column := table.column(name)) is not None]
        old = [f"{_ROW}.{ident(name)}{cast}" for name, cast in zip(changed, casts, strict=True)]
        new = [
            f"({named[name]}){cast}" if name in named and cast else named.get(name, f"becomes.{ident(name)}{cast}")
            for name, cast in zip(changed, casts, strict=True)
        ]
        if len(changed) == 1:
            return f"{old[0]} is distinct from {new[0]}"
        return f"({_listed(old)})\n    is distinct from ({_listed(new)})"

    # What is done and counted ---------------------------------------------------------------------------------------

    def done(self) -> list[Part]:
        """The updates and deletes, one of each a table at most; rows are never in both."""
        parts: list[Part] = []
        for one in self.work:
            if (hit := self.plain(one)) is not None:
                parts.append(self.done_plainly(one, hit))
                continue
            alias, ids = self.aliases[one.name], identity(one.table)
            same = self.equal(_ROW, ids, "found", ids)
            changed = self.changed_columns(one)
            if changed:
                sets = ",\n    ".join(f"{ident(name)} = found.{ident(_new(name))}" for name in changed)
                query = (
                    f"update {qualified(one.name)} as {_ROW}\nset {sets}\nfrom {ident(alias)} as found\n"
                    f"where {same} and found.changes and found.deleted_by is null\nreturning 1"
                )
                parts.append(Part(fit_name(f"{alias}_changed"), query, ""))
            if one.deletes:
                query = (
                    f"delete from {qualified(one.name)} as {_ROW}\nusing {ident(alias)} as found\n"
                    f"where {same} and found.deleted_by is not null\nreturning 1"
                )
                parts.append(Part(fit_name(f"{alias}_deleted"), query, ""))
        return parts

    def plain(self, work: Work) -> _Hit | None:
        """The only way in which rows of a table are touched, where one unconditional rule decides and nothing depends on them.

        Such a table needs no look before the change: what is returned is what was done.
        """
        if len(work.links) != 1 or work.gone or work.keeps_needed or work.name in self.with_code:
            return None
        link = work.links[0]
        if not link.path.is_direct or self.exposed_names(work) or self.is_pointed_at(work):
            return None
        if len(link.rules) != 1 or link.rules[0].when is not None:
            return None
        before = len(self.findings)
        hit = self.link_hit(work, link, _hit_name(link.label, 0), "")
        del self.findings[before:]
        return hit

    def is_pointed_at(self, work: Work) -> bool:
        """Whether other rows go with rows of this table."""
        return any(one.hop.target == work.name for other in self.work for one in other.gone)

    def done_plainly(self, work: Work, hit: _Hit) -> Part:
        """The change as one would write it by hand."""
        alias = self.aliases[work.name]
        people, on = hit.joins[0].split(" on ", 1)
        outcome = hit.outcomes[0]
        comment = f"{work.name} ({work.links[0].at}): {hit.comment}"
        if outcome.label == Verb.DELETE:
            query = f"delete from {qualified(work.name)} as {_ROW}\nusing {people}\nwhere {on}\nreturning {hit.number}"
            return Part(alias, query, comment)
        sets = ",\n    ".join(f"{ident(name)} = {indent(value)}" for name, value in outcome.changes)
        differs = ""
        if outcome.label == Verb.KEEP:
            differs = f"\n    and {indent(self.differs(work.table, [n for n, _ in outcome.changes], outcome.changes))}"
        query = (
            f"update {qualified(work.name)} as {_ROW}\nset {sets}\nfrom {people}\nwhere {on}{differs}\n"
            f"returning {hit.number}"
        )
        return Part(alias, query, comment)

    def changed_columns(self, work: Work) -> list[str]:
        """The columns that some outcome changes, in order of first appearance."""
        found: dict[str, None] = {}
        for link in work.links:
            for rule in link.rules:
                if rule.verb is not Verb.DELETE:
                    found.update(dict.fromkeys(self._quietly(work, link, rule)))
        for one in work.gone:
            found.update(dict.fromkeys(name for name, _ in one.values))
        return list(found)

    def _quietly(self, work: Work, link: BoundLink, rule: bound.BoundRule) -> Iterable[str]:
        """The columns of `changes`, without reporting what it reports a second time."""
        before = len(self.findings)
        names = list(self.changes(work, link, rule, "x"))
        del self.findings[before:]
        return names

    def counts(self, *, done: bool) -> str:
        """Rows by person, table and strategy; a row counts once a person, and not after somebody before deleted it.

        `done`: of tables changed without a look before, what was returned.
        """
        united = "\nunion all\n".join(self.count_of(one, done=done) for one in self.work)
        return (
            "select person.person, hit.relation, hit.strategy, count(*)\n"
            f"from (\n    {indent(united)}\n) as hit\n    join person on person.number = hit.number\n"
            "group by person.person, hit.relation, hit.strategy"
        )

    def count_of(self, work: Work, *, done: bool) -> str:
        alias, ids = self.aliases[work.name], identity(work.table)
        relation = text_literal(str(work.name)).strip()
        if (hit := self.plain(work)) is not None:
            verb = hit.outcomes[0].label
            strategy = CHANGE if verb == Verb.KEEP else verb
            number = "number" if done else f"number_{hit.name}"
            changed = "\nwhere found.changes" if verb == Verb.KEEP and not done else ""
            return (
                f"select found.{number} as number, {relation} as relation, '{strategy}' as strategy\n"
                f"from {ident(alias)} as found{changed}"
            )
        names = self.hit_names(work)
        if len(names) == 1:
            strategy = _strategy(f"found.verb_{names[0]}")
            return (
                f"select found.number_{names[0]} as number, {relation} as relation,\n    {strategy} as strategy\n"
                f"from {ident(alias)} as found"
            )
        rows = ",\n        ".join(f"(found.number_{name}, {_strategy(f'found.verb_{name}')})" for name in names)
        listed = ", ".join(f"found.{ident(name)}" for name in ids)
        order = "array_position(array[" + ", ".join(f"'{one}'" for one in STRENGTH) + "], hit.strategy)"
        query = (
            f"select distinct on ({listed}, hit.number) hit.number, {relation} as relation, hit.strategy\n"
            f"from {ident(alias)} as found\n"
            f"    cross join lateral (values\n        {rows}\n    ) as hit (number, strategy)\n"
            "where hit.number <= coalesce(found.deleted_by, hit.number)\n"
            f"order by {listed}, hit.number, {order}"
        )
        return f"(\n    {indent(query)}\n)"

    def hit_names(self, work: Work) -> list[str]:
        """The names of the ways in which rows of a table are touched, as in `found_in`."""
        names = [_hit_name(link.label, number) for number, link in enumerate(work.links)]
        names += [_hit_name("gone " + "_".join(one.hop.columns), 0) for one in work.gone_from_others]
        names += [_hit_name("gone " + "_".join(one.hop.columns), 0) for one in work.gone_from_self]
        return names

    def missed(self) -> str:
        """For each table how many rows were found but not changed or deleted: somebody's trigger held them back."""
        each: list[str] = []
        for one in self.work:
            if self.plain(one) is not None:
                continue
            alias = self.aliases[one.name]
            relation = text_literal(str(one.name)).strip()
            ways = [("delete", "deleted", "found.deleted_by is not null")] if one.deletes else []
            if self.changed_columns(one):
                ways.insert(0, (CHANGE, "changed", "found.changes and found.deleted_by is null"))
            for strategy, suffix, which in ways:
                each.append(
                    f"select null, {relation}, '{strategy}',\n"
                    f"    (select count(*) from {ident(alias)} as found where {which})\n"
                    f"        - (select count(*) from {ident(fit_name(f'{alias}_{suffix}'))})"
                )
        return "\nunion all\n".join(each)


def identity(table: Table) -> tuple[str, ...]:
    """The columns that tell rows apart: the primary key, another key without nulls, else where the row lies."""
    if table.primary_key:
        return table.primary_key
    for index in table.indexes:
        columns = [table.column(name) for name in index.columns[: index.key_count] if name is not None]
        if (
            index.unique
            and index.valid
            and not index.partial
            and len(columns) == index.key_count
            and all(column is not None and column.not_null for column in columns)
        ):
            return tuple(column.name for column in columns if column is not None)
    return ("tableoid", "ctid")


def key_text(subject: BoundSubject, alias: str) -> str:
    """A person's key as the ledger has it: its text, or a JSON array of texts."""
    if len(subject.key) == 1:
        return f"{alias}.{ident(subject.key[0].name)}::text"
    listed = ", ".join(f"{alias}.{ident(column.name)}::text" for column in subject.key)
    return f"jsonb_build_array({listed})::text"


def _ends(step: Forward | Backward) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The columns on this side of a step and on the other."""
    if isinstance(step, Forward):
        return step.hop.columns, step.hop.target_columns
    return step.hop.target_columns, step.hop.columns


def _strategy(verb: str) -> str:
    """What a verb counts as: a kept row that changes is changed."""
    return f"case when {verb} like 'keep%' and found.changes then '{CHANGE}' else split_part({verb}, ' ', 1) end"


def _listed(items: Sequence[str]) -> str:
    """Items after commas; on a line each where one line would be long."""
    line = ", ".join(items)
    return line if len(line) <= 72 else "\n        " + ",\n        ".join(items) + "\n    "


def _lateral(values: list[str], alias: str, names: list[str]) -> str:
    columns = ", ".join(ident(name) for name in names)
    listed = ",\n    ".join(indent(value) for value in values)
    return f"cross join lateral (values (\n    {listed}\n)) as {alias} ({columns})"


def _identifier(name: str) -> str:
    return fit_name(
        "id_" + "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in name.lower())
    )


def _hit_name(label: str, number: int) -> str:
    plain = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in label.lower()).strip("_")
    return fit_name(f"by_{plain[:40]}" + (f"_{number}" if number else ""))


def _new(column: str) -> str:
    return fit_name(f"new_{column}")


def _not_treated(table: Table, column: str, at: Position) -> Finding:
    message = f"{table.name}.{column} is personal, and nothing says what becomes of it in rows that stay"
    return _refusal("not-treated", f"{table.name}.{column}", message, at)


def _refusal(code: str, subject: str, message: str, at: Position) -> Finding:
    return Finding(code, Severity.ERROR, subject, message, "", at)
