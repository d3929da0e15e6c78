"""Which rows are touched, by whom, and what becomes of each: decided once a row, in the part named after its table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pgerase.catalog.model import Column, Table
from pgerase.compile import sql
from pgerase.compile.erasure import bound
from pgerase.compile.erasure.bound import Backward, BoundLink, Forward, Gone, Verb
from pgerase.compile.erasure.fill import comparable
from pgerase.compile.erasure.outcome import Outcomes
from pgerase.compile.erasure.parts import (
    AS_FOUND,
    BEFORE,
    ROW,
    Hit,
    Outcome,
    Part,
    alone,
    ends,
    identity,
    key_names,
    lateral,
    listed_long,
    new_name,
)
from pgerase.compile.erasure.people import BELOW
from pgerase.compile.erasure.work import Work
from pgerase.compile.sql import ident, indent, qualified, text_literal

_EVERYBODY = "min(person.number) as number, array_agg(distinct person.number order by person.number) as numbers"


class Finder(Outcomes):
    """The parts that find."""

    def hits_before(self, work: Work) -> tuple[list[Part], list[Hit]]:
        """The ways in which rows of a table are touched, but for what it goes with in a circle, and the parts these need."""
        parts: list[Part] = []
        hits: list[Hit] = []
        for number, link in enumerate(work.links):
            name = self.link_names[work.name][number]
            via = ""
            if not link.path.is_direct:
                via = self.part_name(work, name)
                parts.append(Part(via, self.via(work, link), f"{work.name} by {link.label} ({link.at})"))
            hits.append(self.link_hit(work, link, name, via))
        return parts, [*hits, *(self.gone_hit(work, one, self.aliases[one.hop.target]) for one in work.gone_before)]

    def plain(self, work: Work) -> Hit | None:
        """The only way in which rows of a table are touched, where one unconditional rule decides and nothing depends on them.

        Such a table needs no look before the change: what is returned is what was done.
        """
        if len(work.links) != 1 or work.gone or work.keeps_needed or work.clashes or work.name in self.with_code:
            return None
        link = work.links[0]
        if not link.path.is_direct or self.exposed_names(work) or self.is_pointed_at(work):
            return None
        if len(link.rules) != 1 or link.rules[0].when is not None:
            return None
        before = len(self.findings)
        hit = self.link_hit(work, link, self.link_names[work.name][0], "")
        del self.findings[before:]
        return hit

    def is_pointed_at(self, work: Work) -> bool:
        """Whether it matters to other rows what becomes of rows of this table."""
        return any(one.hop.target == work.name for other in self.work for one in other.gone) or any(
            one.source == work.name for other in self.work for one in other.keeps_needed
        )

    def why(self, work: Work, hits: Iterable[Hit]) -> str:
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
        mine, theirs = ends(path.steps[0])
        out = [f"r1.{ident(other)} as {ident(own)}" for own, other in zip(mine, theirs, strict=True)]
        if path.finds_one:
            return sql.select(", ".join([*out, "person.number"]), sources, conditions)
        grouped = ", ".join(f"r1.{ident(other)}" for other in theirs)
        return f"{sql.select(', '.join([*out, _EVERYBODY]), sources, conditions)}\ngroup by {grouped}"

    def step_table(self, step: Forward | Backward) -> Table:
        return step.table if isinstance(step, Backward) else self.emitter.facts.catalog.tables[step.hop.target]

    def step_equal(self, step: Forward | Backward, here: str, there: str) -> str:
        mine, theirs = ends(step)
        return self.equal(there, theirs, here, mine)

    def person_columns(self, path: bound.RowPath) -> tuple[str, ...]:
        return key_names(self.subject) if path.identifier is None else (self.identifier_name(path.identifier),)

    def link_hit(self, work: Work, link: BoundLink, name: str, via: str) -> Hit:
        conditions = [] if link.when is None else self.holds(link.when, ROW)
        numbers = None
        if link.path.is_direct:
            on = [self.equal(name, self.person_columns(link.path), ROW, link.path.columns)]
            if link.is_self:
                on.append(f"not {name}.is_erased")
            joins = (f"person as {name} on {' and '.join([*on, *conditions])}",)
        else:
            mine, _ = ends(link.path.steps[0])
            numbers = None if link.path.finds_one else f"via_{name}.numbers"
            on = [self.equal(f"via_{name}", mine, ROW, mine), *conditions]
            joins = (
                f"{ident(via)} as via_{name} on {' and '.join(on)}",
                f"person as {name} on {name}.number = via_{name}.number",
            )
        comment = f"by {link.label} ({link.at})" if not link.is_self else "the person's own row"
        return Hit(name, joins, f"{name}.number", self.outcomes(work, link, name), comment, numbers)

    def gone_hit(self, work: Work, reference: bound.BoundReference, source: str) -> Hit:
        """Rows whose row goes."""
        name = self.gone_name(work, reference)
        pointed = self.equal(name, reference.hop.target_columns, ROW, reference.hop.columns)
        joins = (f"{ident(source)} as {name} on {name}.deleted_by is not null and {pointed}",)
        verb = Verb.DELETE if reference.gone is Gone.DELETE else Verb.UNLINK
        outcome = Outcome(verb, None, reference.values)
        comment = f"with the row of {reference.hop.target} ({reference.label})"
        return Hit(name, joins, f"{name}.deleted_by", (outcome,), comment, points=reference.hop.columns)

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

    def decided(self, work: Work, hits: list[Hit]) -> str:
        """One row for each row that is touched: by whom, what becomes of it, and the new values."""
        table = qualified(work.name)
        ids = identity(work.table)
        changed = _changed(hits)
        late = self.late(hits)
        if len(hits) == 1:
            sources = [f"{table} as {ROW}", *hits[0].joined("join")]
        else:
            each = [
                "select "
                + ", ".join(f"{ROW}.{ident(name)}" for name in ids)
                + f"\nfrom {table} as {ROW}\n    "
                + "\n    ".join(hit.joined("join"))
                for hit in hits
            ]
            united = "\nunion\n".join(each)
            sources = [
                f"(\n    {indent(united)}\n) as touched",
                f"join {table} as {ROW} on {self.equal(ROW, ids, 'touched', ids)}",
                *(join for hit in hits for join in hit.joined("left join")),
            ]
        # A table with one link and one rule needs no case: its rows are there because that rule is theirs.
        sure = len(hits) == 1 and len(hits[0].outcomes) == 1 and hits[0].outcomes[0].when is None
        if sure:
            verbs = {hits[0].name: f"{text_literal(hits[0].outcomes[0].label).strip()}::text"}
            values = [alone(column, value) for column, value in dict(hits[0].outcomes[0].changes).items()]
            deletes = hits[0].outcomes[0].label.startswith(Verb.DELETE)
            deleted = [hits[0].number if deletes else "null::bigint"]
        else:
            early = [hit for hit in hits if hit not in late]
            verbs = {hit.name: f"verb.{hit.name}" for hit in early}
            sources.append(lateral([self.verb(hit, alone=len(hits) == 1) for hit in early], "verb", [*verbs]))
            if late:
                points = list(dict.fromkeys(name for hit in late for name in hit.points))
                links = [hit for hit in early if not hit.points]
                sources.append(lateral([self.becomes(links, column, verbs) for column in points], "pointing", points))
                verbs |= {hit.name: f"late.{hit.name}" for hit in late}
                sources.append(lateral([self.late_verb(hit) for hit in late], "late", [hit.name for hit in late]))
                verbs = {hit.name: verbs[hit.name] for hit in hits}
            values = [self.becomes(hits, column, verbs) for column in changed]
            deleted = self.deleted(work, hits, verbs)
        if changed:
            sources.append(lateral(values, "becomes", changed))
        deleted_by = deleted[0] if len(deleted) == 1 else "least(\n    " + ",\n    ".join(deleted) + "\n)"
        out = [f"{ROW}.{ident(name)}" for name in ids]
        out += [f"{ROW}.{ident(name)}" for name in self.exposed_names(work)]
        out += [
            f"case when {verbs[hit.name]} is not null then {hit.number} end as number_{hit.name}"
            if hit in late
            else f"{hit.number} as number_{hit.name}"
            for hit in hits
        ]
        out += [f"{hit.numbers} as numbers_{hit.name}" for hit in hits if hit.numbers is not None]
        out += [f"{verb} as verb_{name}" for name, verb in verbs.items()]
        out += [f"becomes.{ident(column)} as {ident(new_name(column))}" for column in changed]
        out += [f"{self.differs(work.table, changed)} as changes", f"{deleted_by} as deleted_by"]
        out.append(f"{ROW}.xmin as {AS_FOUND}")
        return (
            "select "
            + ",\n    ".join(indent(one) for one in out)
            + "\nfrom "
            + "\n    ".join(indent(source) for source in sources)
        )

    @staticmethod
    def late(hits: list[Hit]) -> list[Hit]:
        """What is decided after the links: rows that may go with another one, from which a link may lead them away before."""
        changed = set(_changed([hit for hit in hits if not hit.points]))
        return [hit for hit in hits if changed & set(hit.points)]

    @staticmethod
    def late_verb(hit: Hit) -> str:
        moved = " or ".join(f"pointing.{ident(name)} is distinct from {ROW}.{ident(name)}" for name in hit.points)
        verb = text_literal(hit.outcomes[0].label).strip()
        return f"case when {hit.number} is null or {moved} then null else {verb} end"

    @staticmethod
    def deleted(work: Work, hits: list[Hit], verbs: Mapping[str, str]) -> list[str]:
        """Who deletes a row: the first who does, or with `owners: last` the last; whoever deletes what it hangs on."""
        last = work.mapped is not None and work.mapped.only_last
        by: dict[bool, list[str]] = {True: [], False: []}
        for hit in hits:
            if any(outcome.label.startswith(Verb.DELETE) for outcome in hit.outcomes):
                by_link = not hit.points and hit.name != BELOW
                who = f"{hit.numbers}[cardinality({hit.numbers})]" if last and hit.numbers is not None else hit.number
                by[by_link].append(f"case when {verbs[hit.name]} like 'delete%' then {who} end")
        if last and len(by[True]) > 1:
            by[True] = ["greatest(\n    " + ",\n    ".join(by[True]) + "\n)"]
        return [*by[True], *by[False]] or ["null::bigint"]

    def verb(self, hit: Hit, *, alone: bool) -> str:
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

    def becomes(self, hits: list[Hit], column: str, verbs: Mapping[str, str]) -> str:
        """The new value of a column, each link's change on top of those before it."""
        cases: list[str] = []
        for place, hit in reversed(list(enumerate(hits))):
            for outcome in hit.outcomes:
                value = dict(outcome.changes).get(column)
                if value is not None:
                    label = text_literal(outcome.label).strip()
                    before = self.becomes(hits[:place], column, verbs) if BEFORE in value else ""
                    cases.append(f"when {verbs[hit.name]} = {label} then {indent(value.replace(BEFORE, before))}")
        if not cases:
            return f"{ROW}.{ident(column)}"
        return "case\n    " + "\n    ".join(cases) + f"\n    else {ROW}.{ident(column)}\nend"

    def differs(self, table: Table, changed: list[str], values: Iterable[tuple[str, str]] = ()) -> str:
        """Whether some column takes another value: those of `becomes`, or `values` themselves."""
        if not changed:
            return "false"
        named = dict(values)
        columns = [column for name in changed if (column := table.column(name)) is not None]
        old = [comparable(one, f"{ROW}.{ident(one.name)}") for one in columns]
        new = [
            _compared(one, named[one.name]) if one.name in named else comparable(one, f"becomes.{ident(one.name)}")
            for one in columns
        ]
        if len(changed) == 1:
            return f"{old[0]} is distinct from {new[0]}"
        return f"({listed_long(old)})\n    is distinct from ({listed_long(new)})"


def _compared(column: Column, value: str) -> str:
    """An expression as it is compared, in brackets only where something is done with it."""
    whole = f"({value})"
    made = comparable(column, whole)
    return value if made == whole else made


def _changed(hits: Iterable[Hit]) -> list[str]:
    """The columns that some outcome changes."""
    return list(dict.fromkeys(name for hit in hits for outcome in hit.outcomes for name, _ in outcome.changes))
